//! An HTTP/1.1 client that puts exactly the bytes on the wire that it is told, and reads what comes back to the byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::kafka::PATIENCE;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// From the last byte sent to the last byte of the answer.
    pub(crate) after: Duration,
}

impl Answer {
    /// The answer at the start of these bytes and how many of them it is; `None` until all of it is there.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end]).expect("an ASCII head");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').expect("a header"))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new(), after: Duration::ZERO };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        answer.body = bytes.get(end..end + length)?.to_vec();
        Some((answer, end + length))
    }

    /// The value of the first header of this name, any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    sent: Instant,
}

impl Wire {
    pub(crate) fn connect(to: SocketAddr) -> Wire {
        Wire::try_connect(to).expect("connect")
    }

    /// `None` where nobody listens.
    pub(crate) fn try_connect(to: SocketAddr) -> Option<Wire> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
        stream.set_nodelay(true).expect("no delay");
        Some(Wire { stream, read: Vec::new(), sent: Instant::now() })
    }

    /// Send these bytes. `false` when the other side has closed.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.stream.write_all(bytes.as_ref()).is_ok();
        self.sent = Instant::now();
        sent
    }

    /// The next answer; `None` when the other side closes without a further one.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((mut answer, length)) = Answer::parse(&self.read) {
                self.read.drain(..length);
                if answer.status == 100 {
                    continue;
                }
                answer.after = self.sent.elapsed();
                return Some(answer);
            }
            if !self.more() {
                assert!(self.read.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.read));
                return None;
            }
        }
    }

    /// Whether the other side closes the connection within this time, saying nothing more.
    pub(crate) fn closes_within(&mut self, patience: Duration) -> bool {
        self.stream.set_read_timeout(Some(patience)).expect("a timeout");
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => panic!("it said something more: {:?}…", byte[0] as char),
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// A send that the other side does not take for so long has failed.
    pub(crate) fn give_up_sending_after(&self, patience: Duration) {
        self.stream.set_write_timeout(Some(patience)).expect("a timeout");
    }

    /// Nothing more will be sent.
    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    }

    /// Read more; `false` at the end. A reset is an end as well.
    fn more(&mut self) -> bool {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer within {PATIENCE:?}: {error}"),
        }
    }
}

/// The bytes of a request with these headers, and Host and Content-Length where they are not given.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let given = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    let mut put = |name: &str, value: &str| bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    if !given("host") {
        put("Host", "localhost");
    }
    if !given("content-length") && !given("transfer-encoding") {
        put("Content-Length", &body.len().to_string());
    }
    headers.iter().for_each(|(name, value)| put(name, value));
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Send one request on a connection of its own and await the answer.
pub(crate) fn exchange(to: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    let mut wire = Wire::connect(to);
    wire.send(bytes);
    wire.answer().expect("an answer")
}

/// The same where perhaps nobody listens any more.
#[allow(dead_code, reason = "tests/faults asks processes that may be gone")]
pub(crate) fn try_get(to: SocketAddr, path: &str) -> Option<Answer> {
    let mut wire = Wire::try_connect(to)?;
    wire.send(request("GET", path, &[("Connection", "close")], b""));
    wire.answer()
}

pub(crate) fn get(to: SocketAddr, path: &str) -> Answer {
    exchange(to, request("GET", path, &[("Connection", "close")], b""))
}

pub(crate) fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    exchange(to, request("POST", path, headers, body))
}
