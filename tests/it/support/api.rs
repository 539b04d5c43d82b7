//! A provider's API of our own on loopback: answers by script, remembers who asked.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use hookstream::shutdown::Shutdown;
use http::HeaderMap;

/// One scripted answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 200 with this body.
    Body(String),
    /// A status with headers and no body.
    Status(u16, Vec<(&'static str, String)>),
    /// 200 with a body of so many bytes of JSON, compressed or not.
    Large { bytes: usize, gzip: bool },
    /// The headers come, the body never does.
    Hang,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Reply {
        Reply::Status(status, Vec::new())
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) at: Instant,
}

/// The server. It ends with the test.
pub(crate) struct Api {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, VecDeque<Reply>>>,
    asked: Mutex<Vec<Asked>>,
    delay: Mutex<Duration>,
}

impl Api {
    /// Start one; every path answers `{"path": …}` until it is scripted.
    pub(crate) fn start() -> Api {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, shutdown) = (Arc::new(Shared::default()), Shutdown::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let end = shutdown.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serve = axum::serve(listener, router);
                tokio::select! { _ = async { serve.await } => {}, () = end.requested() => {} }
            });
            runtime.shutdown_background();
        });
        Api { address, shared, shutdown }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answer a path so, one after the other; the last answer stays.
    pub(crate) fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.shared.scripts.lock().unwrap().insert(path.to_owned(), replies.into_iter().collect());
    }

    /// Take so long for every answer.
    pub(crate) fn slow(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    /// How many requests came, whatever for.
    pub(crate) fn total(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }

    /// Every request for a path, oldest first.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let asked = Asked { path: path.clone(), headers: request.headers().clone(), at: Instant::now() };
    shared.asked.lock().unwrap().push(asked);
    let reply = {
        let mut scripts = shared.scripts.lock().unwrap();
        match scripts.get_mut(&path) {
            Some(script) if script.len() > 1 => script.pop_front(),
            Some(script) => script.front().cloned(),
            None => None,
        }
    };
    let delay = *shared.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    let json = Response::builder().header("content-type", "application/json").header("etag", "\"v1\"");
    match reply.unwrap_or_else(|| Reply::Body(format!(r#"{{"path": "{path}"}}"#))) {
        Reply::Body(body) => json.body(Body::from(body)).unwrap(),
        Reply::Status(status, headers) => {
            let response = Response::builder().status(status);
            let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, value));
            response.body(Body::empty()).unwrap()
        }
        Reply::Large { bytes, gzip: false } => json.body(Body::from(large(bytes))).unwrap(),
        Reply::Large { bytes, gzip: true } => {
            json.header("content-encoding", "gzip").body(Body::from(gzipped(&large(bytes)))).unwrap()
        }
        Reply::Hang => json.header("content-length", "100").body(Body::new(Never)).unwrap(),
    }
}

fn large(bytes: usize) -> Vec<u8> {
    format!(r#"{{"fill":"{}"}}"#, "x".repeat(bytes)).into_bytes()
}

/// gzip of any bytes as stored blocks: no compressor is needed to test an unpacker's limits.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks: Vec<&[u8]> = bytes.chunks(0xffff).collect();
    for (index, block) in blocks.iter().enumerate() {
        let length = block.len() as u16;
        out.push(u8::from(index + 1 == blocks.len()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(*block);
    }
    out.extend(crc32(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

/// A body that never comes.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}
