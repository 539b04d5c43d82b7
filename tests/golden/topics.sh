#!/bin/sh
# The topics of hookstream and the ACLs of its users. Needs Kafka's bin directory in PATH.
#   BOOTSTRAP=host:port        the cluster
#   COMMAND_CONFIG=FILE        a client's properties, where the cluster wants TLS or a password
set -eu
BOOTSTRAP="${BOOTSTRAP:-kafka.example.com:9092}"
topic() { kafka-topics.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} "$@"; }
allow() { kafka-acls.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --add "$@"; }

topic --create --if-not-exists --topic eu.webhooks.shop-eu --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=4259840 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.webhooks.stripe --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=2162688 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.webhooks.shop-eu.ids --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=1048588 \
  --config message.timestamp.before.max.ms=691200000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=691200000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.webhooks.shop-eu.enriched --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=5373952 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.webhooks.stripe.ids --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=1048588 \
  --config message.timestamp.before.max.ms=691200000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=691200000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.webhooks.stripe.enriched --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=3276800 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.hookstream.retry.30s --partitions 1 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=5373952 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.hookstream.retry.5m --partitions 1 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=5373952 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.hookstream.retry.1h --partitions 1 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=5373952 \
  --config message.timestamp.before.max.ms=1209600000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=1209600000 \
  --config unclean.leader.election.enable=false

topic --create --if-not-exists --topic eu.hookstream.dead-letter --partitions 6 --replication-factor 3 \
  --config cleanup.policy=delete \
  --config max.message.bytes=5373952 \
  --config message.timestamp.before.max.ms=2592000000 \
  --config message.timestamp.type=CreateTime \
  --config min.insync.replicas=2 \
  --config retention.bytes=-1 \
  --config retention.ms=2592000000 \
  --config unclean.leader.election.enable=false

allow --allow-principal User:hookstream-serve --operation Write \
  --topic eu.webhooks.shop-eu \
  --topic eu.webhooks.stripe \
  --topic eu.hookstream.dead-letter

allow --allow-principal User:hookstream-enrich --operation Read \
  --topic eu.webhooks.shop-eu \
  --topic eu.webhooks.stripe

allow --allow-principal User:hookstream-enrich --operation Read --operation Write \
  --topic eu.webhooks.shop-eu.ids \
  --topic eu.webhooks.stripe.ids \
  --topic eu.hookstream.retry.30s \
  --topic eu.hookstream.retry.5m \
  --topic eu.hookstream.retry.1h

allow --allow-principal User:hookstream-enrich --operation Write \
  --topic eu.webhooks.shop-eu.enriched \
  --topic eu.webhooks.stripe.enriched \
  --topic eu.hookstream.dead-letter

allow --allow-principal User:hookstream-enrich --operation Read \
  --group eu.hookstream-enrich

allow --allow-principal User:hookstream-enrich --operation Write --resource-pattern-type prefixed \
  --transactional-id eu.hookstream-enrich.

allow --allow-principal User:hookstream-topics --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs \
  --topic eu.webhooks.shop-eu \
  --topic eu.webhooks.stripe \
  --topic eu.webhooks.shop-eu.ids \
  --topic eu.webhooks.shop-eu.enriched \
  --topic eu.webhooks.stripe.ids \
  --topic eu.webhooks.stripe.enriched \
  --topic eu.hookstream.retry.30s \
  --topic eu.hookstream.retry.5m \
  --topic eu.hookstream.retry.1h \
  --topic eu.hookstream.dead-letter

# Only for this: `hookstream check` compares the largest record with the brokers' limits.
allow --allow-principal User:hookstream-topics --operation DescribeConfigs \
  --cluster
