//! Senders that sign nothing: an event is stored only after the provider's API confirmed it, and whatever that API does,
//! the sender gets its answer in time.

use std::time::{Duration, Instant};

use crate::support::api::{Api, Reply};
use crate::support::http::{Answer, post};
use crate::support::serve::{Serve, Setup, setup};

const PATH: &str = "/v2/payments/tr_7UhSN1zuXS";
const PAID: &str = r#"{"resource":"payment","id":"tr_7UhSN1zuXS","status":"paid"}"#;

fn mollie(api: &Api, more: &str) -> Setup {
    let table = format!("[sources.mollie-classic]\napi_base = \"{}\"\napi_key = \"env:KEY\"\n{more}\n", api.url());
    setup().table(&table).env("KEY", "canary-key")
}

fn notify(serve: &Serve) -> Answer {
    post(serve.public, "/webhooks/mollie-classic", &[], b"id=tr_7UhSN1zuXS")
}

#[test]
fn what_the_api_does_decides_the_answer() {
    let api = Api::start();
    let serve = mollie(&api, "").argument("--log-level=debug").on_stand_in();
    let redirect = Reply::Status(302, vec![("location", format!("{}/elsewhere", api.url()))]);
    for (reply, status) in [
        (Reply::status(404), 401),
        (Reply::status(500), 503),
        (Reply::status(429), 503),
        (Reply::status(401), 503),
        (redirect, 503),
        (Reply::Body("{\"id\":".to_owned()), 503),
        (Reply::Large { bytes: 2 << 20, gzip: true }, 503),
        (Reply::Body(PAID.to_owned()), 200),
    ] {
        api.script(PATH, [reply.clone()]);
        assert_eq!(notify(&serve).status, status, "{reply:?}");
    }
    assert!(api.asked("/elsewhere").is_empty(), "no redirect is followed");
    assert_eq!(notify(&serve).json()["status"], "duplicate", "the same payment in the same state");
    let refunded = PAID.replace('}', r#","amountRefunded":{"value":"1.00"},"_links":{"refunds":{}}}"#);
    api.script(PATH, [Reply::Body(refunded)]);
    assert_eq!(notify(&serve).json()["id"], "tr_7UhSN1zuXS:paid:1.00", "and in another state");
    let asked = api.asked(PATH);
    assert!(asked.iter().all(|asked| asked.headers["authorization"] == "Bearer canary-key"));
    let metrics = serve.metrics();
    assert_eq!(metrics.rejects("mollie-classic", "unconfirmed"), 1.0);
    assert_eq!(metrics.sum("hookstream_gateway_unavailable_total", &[("reason", "inquiry")]), 6.0);
    assert!(!serve.process.log().contains("canary"));
    serve.assert_conservation();
}

#[test]
fn a_silent_api_costs_the_sender_no_more_than_its_deadline() {
    let api = Api::start();
    let serve = mollie(&api, "deadline = \"2s\"").on_stand_in();
    api.script(PATH, [Reply::Hang]);
    let start = Instant::now();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| notify(&serve).status)).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    assert_eq!(answers, [503; 20]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    serve.assert_conservation();
}

#[test]
fn eight_questions_are_under_way_at_once_and_no_more() {
    let api = Api::start();
    let delay = Duration::from_millis(200);
    api.slow(delay);
    api.script(PATH, [Reply::status(404)]);
    let serve = mollie(&api, "").on_stand_in();
    std::thread::scope(|scope| {
        (0..20).for_each(|_| drop(scope.spawn(|| assert_eq!(notify(&serve).status, 401))));
    });
    let asked: Vec<_> = api.asked(PATH).into_iter().map(|asked| asked.at).collect();
    assert_eq!(asked.len(), 20);
    // The ninth waits for the first, and so on.
    assert!(asked.windows(9).all(|nine| nine[8] - nine[0] >= delay));
}

#[test]
fn without_the_key_nothing_starts() {
    for (table, said) in [
        ("[sources.mollie-classic]\n", "credentials.api_key is missing"),
        ("[sources.mollie-classic]\naccept_unsigned = true\n", "each request is confirmed by the provider's API"),
    ] {
        let mut process = setup().table(table).spawn();
        assert_eq!(process.exit_code(), 78, "{}", process.log());
        assert!(process.log().contains(said), "{}", process.log());
    }
}
