//! The public port over TLS, and what may come without.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::lifecycle_backlog::asleep_at_the_end;
use crate::support::http::{Wire, request};
use crate::support::kafka::{PATIENCE, await_that};
use crate::support::serve::{Serve, Setup, setup, signature, signed};

const EVENT: &[u8] = br#"{"id":"e1","type":"t"}"#;

/// A certificate for localhost with its key, in files.
struct Pair {
    directory: TempDir,
    der: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Pair {
        Pair::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(directory.path().join("tls.key"), key.serialize_pem()).unwrap();
        Pair { directory, der: certificate.der().clone() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Take the place of another pair's files.
    fn replaces(&self, other: &Pair) {
        for name in ["tls.key", "tls.crt"] {
            std::fs::copy(self.file(name), other.file(name)).unwrap();
        }
    }
}

fn with_tls(certificate: &Path, key: &Path) -> Setup {
    let setup = setup().source("orders", "");
    setup
        .set("gateway.tls.certificate", certificate.display().to_string())
        .set("gateway.tls.key", key.display().to_string())
}

fn with_pair(pair: &Pair) -> Setup {
    with_tls(&pair.file("tls.crt"), &pair.file("tls.key"))
}

type Client = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts this certificate only, with its handshake done.
fn client(to: SocketAddr, trusted: &Pair) -> Result<Client, std::io::Error> {
    client_on(TcpStream::connect(to)?, trusted)
}

/// The same on a connection that is there.
fn client_on(stream: TcpStream, trusted: &Pair) -> Result<Client, std::io::Error> {
    client_in(stream, trusted, Arc::new(DefaultTimeProvider))
}

/// The same by another clock.
fn client_in(stream: TcpStream, trusted: &Pair, clock: Arc<dyn TimeProvider>) -> Result<Client, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, clock).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut client = StreamOwned::new(connection, stream);
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock)?;
    }
    Ok(client)
}

/// Send a request and read what comes back up to the end of the body.
fn ask(client: &mut Client, bytes: &[u8]) -> String {
    client.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !answer.ends_with(b"}") {
        let count = client.read(&mut chunk).unwrap();
        assert!(count > 0, "it closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8(answer).unwrap()
}

fn event(id: &str) -> Vec<u8> {
    signed("orders", format!(r#"{{"id":"{id}","type":"t"}}"#).as_bytes())
}

fn errors(serve: &Serve, reason: &str) -> f64 {
    serve.metrics().sum("hookstream_gateway_connection_errors_total", &[("reason", reason)])
}

#[test]
fn webhooks_come_over_tls_and_the_certificate_is_replaced_on_the_way() {
    let (first, second) = (Pair::new(), Pair::with(|params| params.not_after = date_time_ymd(2037, 1, 2)));
    let serve = with_pair(&first).set("gateway.require_https", true).on_stand_in();
    let mut kept = client(serve.public, &first).unwrap();
    assert!(ask(&mut kept, &event("e1")).contains("accepted"));
    assert_eq!(kept.conn.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert!(client(serve.public, &second).is_err(), "it is not that one yet");
    let mut plain = Wire::connect(serve.public);
    plain.send(event("e2"));
    await_that("plain HTTP and an untrusting client get no further", || errors(&serve, "tls_handshake") >= 2.0);

    second.replaces(&first);
    serve.signal(Signal::HUP);
    await_that("the new one is served", || client(serve.public, &second).is_ok());
    assert!(client(serve.public, &first).is_err());
    assert!(ask(&mut kept, &event("e3")).contains("accepted"), "connections go on");
    let expiry = serve.metrics().sum("hookstream_gateway_certificate_expiry_timestamp_seconds", &[]);
    assert_eq!(expiry, 2_114_467_200.0, "2037-01-02");

    // Half of a pair is no pair: the one in use stays.
    std::fs::copy(Pair::new().file("tls.key"), first.file("tls.key")).unwrap();
    serve.signal(Signal::HUP);
    await_that("it complains", || serve.metrics().sum("hookstream_config_last_reload_successful", &[]) == 0.0);
    await_that("it says why", || serve.process.log().contains("it is not the key of"));
    assert!(ask(&mut client(serve.public, &second).unwrap(), &event("e4")).contains("accepted"));
    serve.assert_conservation();
}

#[test]
fn a_certificate_that_cannot_serve_ends_the_start_with_a_word() {
    let (good, other) = (Pair::new(), Pair::new());
    let (crt, key) = (good.file("tls.crt"), good.file("tls.key"));
    let nothing = good.file("nothing");
    std::fs::write(&nothing, "no pem").unwrap();
    let missing = good.file("missing");
    for (certificate, key, says) in [
        (&crt, &other.file("tls.key"), &["gateway.tls.key", "it is not the key of"][..]),
        (&missing, &key, &["gateway.tls.certificate", "missing", "cannot read it"]),
        (&nothing, &key, &["gateway.tls.certificate", "there is no certificate in it"]),
        (&crt, &nothing, &["gateway.tls.key", "must be PEM"]),
        (&crt, &crt, &["gateway.tls.key", "must be PEM"]),
    ] {
        let mut process = with_tls(certificate, key).spawn();
        assert_eq!(process.exit_code(), 78, "{}", process.log());
        for part in says {
            assert!(process.log().contains(part), "{part}: {}", process.log());
        }
        assert!(!process.log().contains("PRIVATE KEY"), "{}", process.log());
    }
    let mut process = setup().source("orders", "").set("gateway.require_https", true).spawn();
    assert_eq!(process.exit_code(), 78);
    assert!(process.log().contains("gateway.require_https"), "{}", process.log());
}

/// A clock that stands.
#[derive(Debug)]
struct Stopped(UnixTime);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// The wrong clock may be ours, and a gateway that ends over it stays down: 78 is for good.
#[test]
fn a_certificate_outside_its_time_serves_and_is_complained_about() {
    for (year, says) in [
        (2020, "the certificate has expired at 2021-01-01T00:00:00Z"),
        (2090, "the certificate is not valid before 2090-01-01T00:00:00Z"),
    ] {
        let pair = Pair::with(|params| {
            (params.not_before, params.not_after) = (date_time_ymd(year, 1, 1), date_time_ymd(year + 1, 1, 1));
        });
        let serve = with_pair(&pair).on_stand_in();
        assert!(serve.process.log().contains(says), "{}", serve.process.log());
        assert!(client(serve.public, &pair).is_err(), "by the client's clock it is not valid");
        let then = Duration::from_secs(date_time_ymd(year, 6, 1).unix_timestamp().unsigned_abs());
        let clock = Arc::new(Stopped(UnixTime::since_unix_epoch(then)));
        let mut client = client_in(TcpStream::connect(serve.public).unwrap(), &pair, clock).unwrap();
        assert!(ask(&mut client, &event("e1")).contains("accepted"));
        let (code, said) = with_pair(&pair).run(&["check", "--offline", "--json"]);
        assert!(code == 1 && said.contains(says), "{code}: {said}");
    }
}

/// Whatever our clock says, one of two was right by it.
#[test]
fn a_certificate_outside_its_time_takes_no_good_ones_place() {
    let good = Pair::new();
    let serve = with_pair(&good).on_stand_in();
    let old = Pair::with(|params| params.not_after = date_time_ymd(2020, 1, 1));
    old.replaces(&good);
    serve.signal(Signal::HUP);
    await_that("it complains", || serve.metrics().sum("hookstream_config_last_reload_successful", &[]) == 0.0);
    await_that("it says why", || serve.process.log().contains("gateway.tls.certificate: the certificate has expired"));
    assert!(ask(&mut client(serve.public, &good).unwrap(), &event("e1")).contains("accepted"));
}

#[test]
fn handshakes_are_bounded_in_number_and_time() {
    let pair = Pair::new();
    let setup = with_pair(&pair).set("gateway.tls.max_handshakes", 4).set("gateway.tls.handshake_timeout", "2s");
    let serve = setup.on_stand_in();
    let mut kept = client(serve.public, &pair).unwrap();
    assert!(ask(&mut kept, &event("e1")).contains("accepted"));
    let start = Instant::now();
    let flood: Vec<Wire> = (0..60).map(|_| Wire::connect(serve.public)).collect();
    let open = || serve.metrics().sum("hookstream_gateway_connections", &[]);
    await_that("they are connected", || open() >= 61.0);
    assert!(ask(&mut kept, &event("e2")).contains("accepted"), "who is in is served");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    await_that("they are gone", || errors(&serve, "tls_timeout") == 60.0 && open() <= 1.0);
    drop(flood);
    assert!(ask(&mut client(serve.public, &pair).unwrap(), &event("e3")).contains("accepted"));
}

#[test]
fn handshakes_under_way_at_the_end_are_finished_and_their_requests_answered() {
    let pair = Pair::new();
    let mut serve = with_pair(&pair).set("gateway.drain_delay", "1s").on_stand_in();
    let begun: Vec<_> = (0..4).map(|_| TcpStream::connect(serve.public).unwrap()).collect();
    await_that("their handshakes have begun", || {
        serve.metrics().sum("hookstream_gateway_connections", &[]) == begun.len() as f64
    });
    let connect = || (0..4).map(|_| TcpStream::connect(serve.public).unwrap()).collect::<Vec<_>>();
    let late = asleep_at_the_end(&serve, connect);
    await_that("it no longer listens", || Wire::try_connect(serve.public).is_none());
    std::thread::scope(|scope| {
        for (number, stream) in begun.into_iter().chain(late).enumerate() {
            let pair = &pair;
            scope.spawn(move || {
                let mut client = client_on(stream, pair).unwrap();
                assert!(ask(&mut client, &event(&format!("e{number}"))).contains("accepted"));
            });
        }
    });
    assert_eq!(serve.ends().0, 0);
}

#[test]
fn plain_http_is_refused_where_https_is_required() {
    let required = |proxies: &[&str]| {
        let proxies: toml::Value = proxies.iter().copied().map(toml::Value::from).collect::<Vec<_>>().into();
        setup().source("orders", "").set("gateway.require_https", true).set("gateway.trusted_proxies", proxies)
    };
    let sent = |serve: &Serve, proto: &str| {
        let headers = [("X-Signature", &*signature(EVENT)), ("X-Forwarded-Proto", proto)];
        crate::support::http::exchange(serve.public, request("POST", "/webhooks/orders", &headers, EVENT)).status
    };
    let serve = required(&["127.0.0.0/8"]).on_stand_in();
    assert_eq!((sent(&serve, "https"), sent(&serve, "http"), sent(&serve, "")), (200, 403, 403));
    assert_eq!(serve.metrics().rejects("orders", "https_required"), 2.0);
    let serve = required(&["10.0.0.0/8"]).on_stand_in();
    assert_eq!(sent(&serve, "https"), 403, "nobody else's word counts");
    serve.assert_conservation();
}
