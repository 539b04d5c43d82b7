terraform {
  required_providers {
    kafka = {
      source = "Mongey/kafka"
    }
  }
}

resource "kafka_topic" "eu_webhooks_shop-eu" {
  name               = "eu.webhooks.shop-eu"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "4259840"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_webhooks_stripe" {
  name               = "eu.webhooks.stripe"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "2162688"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_webhooks_shop-eu_ids" {
  name               = "eu.webhooks.shop-eu.ids"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "1048588"
    "message.timestamp.before.max.ms" = "691200000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "691200000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_webhooks_shop-eu_enriched" {
  name               = "eu.webhooks.shop-eu.enriched"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "5373952"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_webhooks_stripe_ids" {
  name               = "eu.webhooks.stripe.ids"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "1048588"
    "message.timestamp.before.max.ms" = "691200000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "691200000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_webhooks_stripe_enriched" {
  name               = "eu.webhooks.stripe.enriched"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "3276800"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_hookstream_retry_30s" {
  name               = "eu.hookstream.retry.30s"
  partitions         = 1
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "5373952"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_hookstream_retry_5m" {
  name               = "eu.hookstream.retry.5m"
  partitions         = 1
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "5373952"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_hookstream_retry_1h" {
  name               = "eu.hookstream.retry.1h"
  partitions         = 1
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "5373952"
    "message.timestamp.before.max.ms" = "1209600000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "1209600000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_topic" "eu_hookstream_dead-letter" {
  name               = "eu.hookstream.dead-letter"
  partitions         = 6
  replication_factor = 3
  config = {
    "cleanup.policy"                  = "delete"
    "max.message.bytes"               = "5373952"
    "message.timestamp.before.max.ms" = "2592000000"
    "message.timestamp.type"          = "CreateTime"
    "min.insync.replicas"             = "2"
    "retention.bytes"                 = "-1"
    "retention.ms"                    = "2592000000"
    "unclean.leader.election.enable"  = "false"
  }
}

resource "kafka_acl" "hookstream-serve_topic_eu_webhooks_shop-eu_write" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-serve"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-serve_topic_eu_webhooks_stripe_write" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-serve"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-serve_topic_eu_hookstream_dead-letter_write" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.dead-letter"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-serve"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_shop-eu_read" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_stripe_read" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_shop-eu_ids_read" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_shop-eu_ids_write" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_stripe_ids_read" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_stripe_ids_write" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_retry_30s_read" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.30s"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_retry_30s_write" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.30s"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_retry_5m_read" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.5m"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_retry_5m_write" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.5m"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_retry_1h_read" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.1h"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_retry_1h_write" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.1h"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_shop-eu_enriched_write" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_webhooks_stripe_enriched_write" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_topic_eu_hookstream_dead-letter_write" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.dead-letter"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_group_eu_hookstream-enrich_read" {
  resource_type                = "Group"
  resource_name                = "eu.hookstream-enrich"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Read"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-enrich_transactionalid_eu_hookstream-enrich__write" {
  resource_type                = "TransactionalID"
  resource_name                = "eu.hookstream-enrich."
  resource_pattern_type_filter = "Prefixed"
  acl_principal                = "User:hookstream-enrich"
  acl_host                     = "*"
  acl_operation                = "Write"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_create" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_create" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_ids_create" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_ids_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_ids_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_ids_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_enriched_create" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_enriched_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_enriched_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_shop-eu_enriched_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.shop-eu.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_ids_create" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_ids_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_ids_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_ids_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.ids"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_enriched_create" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_enriched_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_enriched_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_webhooks_stripe_enriched_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.webhooks.stripe.enriched"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_30s_create" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.30s"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_30s_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.30s"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_30s_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.30s"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_30s_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.30s"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_5m_create" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.5m"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_5m_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.5m"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_5m_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.5m"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_5m_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.5m"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_1h_create" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.1h"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_1h_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.1h"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_1h_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.1h"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_retry_1h_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.retry.1h"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_dead-letter_create" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.dead-letter"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Create"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_dead-letter_describe" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.dead-letter"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "Describe"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_dead-letter_describeconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.dead-letter"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "hookstream-topics_topic_eu_hookstream_dead-letter_alterconfigs" {
  resource_type                = "Topic"
  resource_name                = "eu.hookstream.dead-letter"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "AlterConfigs"
  acl_permission_type          = "Allow"
}

# Only for this: `hookstream check` compares the largest record with the brokers' limits.
resource "kafka_acl" "hookstream-topics_cluster_kafka-cluster_describeconfigs" {
  resource_type                = "Cluster"
  resource_name                = "kafka-cluster"
  resource_pattern_type_filter = "Literal"
  acl_principal                = "User:hookstream-topics"
  acl_host                     = "*"
  acl_operation                = "DescribeConfigs"
  acl_permission_type          = "Allow"
}
