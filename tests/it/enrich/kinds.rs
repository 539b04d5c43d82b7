//! Full records for the providers that have routes; everything else passes through, once.

use rdkafka::message::OwnedHeaders;

use crate::support::api::Api;
use crate::support::kafka::cluster;
use crate::support::stage::{Raw, Stage, json};

fn sources(api: &str) -> String {
    format!(
        r#"
[sources.stripe]
secrets = ["SECRET"]
api_key = "SECRET"
api_base = "{api}"
[sources.github]
secrets = ["SECRET"]
api_base = "{api}/gh"
[sources.github.credentials]
token = "SECRET"
[sources.shopify]
secrets = ["SECRET"]
api_base = "{api}/shop"
[sources.shopify.tenants."ada.myshopify.com"]
access_token = "SECRET"
[sources.bare]
provider = "stripe"
secrets = ["SECRET"]
"#
    )
}

const INVOICE: &str = r#" {"id":"evt_1","type":"invoice.paid","amount":19.900,"data":{"object":{"id":"in_1"}}} "#;
const PUSH: &str = r#"{"after":"9c1e","repository":{"name":"engine","owner":{"login":"ada"}}}"#;
const ORDER: &str = r#"{"id":820982911946154508}"#;

#[test]
fn three_kinds_of_records_once_each() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    let stage = Stage::new(kafka, 3, &sources(&api.url()), "");
    let stripe =
        Raw { source: "stripe", provider: "stripe", id: "evt_1", kind: "invoice.paid", tenant: None, data: INVOICE };
    let events = [
        stripe.clone(),
        stripe.clone(),
        Raw { source: "github", provider: "github", id: "guid-1", kind: "push", tenant: None, data: PUSH },
        Raw {
            source: "shopify",
            provider: "shopify",
            id: "hook-1",
            kind: "orders/create",
            tenant: Some("ada.myshopify.com"),
            data: ORDER,
        },
        Raw {
            source: "shopify",
            provider: "shopify",
            id: "hook-2",
            kind: "orders/create",
            tenant: Some("eve.myshopify.com"),
            data: ORDER,
        },
        Raw { source: "bare", ..stripe.clone() },
        Raw { kind: "no.such.route", id: "evt_2", ..stripe.clone() },
    ];
    events.iter().for_each(|event| stage.append(event));
    stage.append_bytes("stripe", "foreign", b"not an event", OwnedHeaders::new());
    stage.flush();
    let enricher = stage.enricher("a");

    let stripe_records = stage.enriched("stripe", 2);
    let paid = stripe_records.iter().find(|seen| seen.key.as_deref() == Some(b"evt_1")).unwrap();
    let value = json(paid);
    assert!(
        paid.text().contains(&format!(r#""data":{{"event":{INVOICE},"record":{{"path": "/v1/invoices/in_1"}},"#)),
        "{}",
        paid.text()
    );
    assert_eq!((value["id"].as_str(), value["source"].as_str()), (Some("evt_1"), Some("/webhooks/stripe/enriched")));
    assert_eq!(value["data"]["enrichment"]["status"], "enriched");
    assert_eq!(value["data"]["enrichment"]["etag"], "\"v1\"");
    assert_eq!(paid.partition, hookstream::kafka::partition_for(b"evt_1", 3), "the raw record's partition");
    let asked = &api.asked("/v1/invoices/in_1")[0];
    assert_eq!(asked.headers["authorization"], "Bearer canary-secret");

    let github = &stage.enriched("github", 1)[0];
    assert_eq!(json(github)["data"]["record"]["path"], "/gh/repos/ada/engine/commits/9c1e");
    assert_eq!(api.asked("/gh/repos/ada/engine/commits/9c1e")[0].headers["accept"], "application/vnd.github+json");

    let shopify = stage.enriched("shopify", 2);
    let by_id = |id: &str| json(shopify.iter().find(|seen| seen.key.as_deref() == Some(id.as_bytes())).unwrap());
    let order = "/shop/admin/api/2026-01/orders/820982911946154508.json";
    assert_eq!(by_id("hook-1")["data"]["record"]["path"], order);
    assert_eq!(api.asked(order).len(), 1, "the unlisted tenant was not asked for");
    assert_eq!(api.asked(order)[0].headers["x-shopify-access-token"], "canary-secret");
    assert_eq!(by_id("hook-2")["data"]["enrichment"]["reason"], "unknown_tenant");

    let bare = json(&stage.enriched("bare", 1)[0]);
    assert_eq!(
        (&bare["data"]["enrichment"]["status"], &bare["data"]["enrichment"]["reason"]),
        (&"skipped".into(), &"no_credentials".into())
    );
    let skipped = stripe_records.iter().find(|seen| seen.key.as_deref() == Some(b"evt_2")).unwrap();
    assert_eq!(json(skipped)["data"]["enrichment"]["reason"], "no_route");

    let dead = kafka.read(&stage.topic("hookstream.dead-letter"), crate::support::kafka::Isolation::Committed, 1);
    assert_eq!(dead[0].header("hookstream-reason"), Some("not_cloudevent"));
    assert_eq!(json(&dead[0])["data_base64"], "bm90IGFuIGV2ZW50");

    // A second instance takes over: claimed ids are restored, nothing comes twice.
    let (status, took) = enricher.terminate();
    assert!(status == Some(0) && took < std::time::Duration::from_secs(15), "{status:?} after {took:?}");
    stage.append(&stripe);
    stage.append(&Raw { id: "evt_3", ..stripe.clone() });
    stage.flush();
    let second = stage.enricher("b");
    stage.enriched("stripe", 3);
    assert!(!second.log().contains("canary-secret"));
    let mut keys: Vec<_> = stage.all("webhooks.stripe.enriched").into_iter().filter_map(|seen| seen.key).collect();
    keys.sort();
    assert_eq!(keys, [b"evt_1", b"evt_2", b"evt_3"]);
    assert_eq!(api.asked("/v1/invoices/in_1").len(), 2, "evt_1 once, evt_3 once");
    let ids = stage.all("webhooks.stripe.ids");
    let claims: Vec<_> = ids.iter().filter(|seen| seen.header("hookstream-barrier").is_none()).collect();
    assert_eq!(claims.len(), 3);
    assert!(
        claims.iter().all(|claim| claim.partition == hookstream::kafka::partition_for(claim.key.as_ref().unwrap(), 3))
    );
}
