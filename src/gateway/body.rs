//! Reading a body: bounded in bytes, in time, and in the memory of all bodies together.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use super::answer::{Refused, Unavailable};
use crate::provider::Reject;

/// The bytes of bodies in memory, over all requests.
#[derive(Debug)]
pub(super) struct Memory {
    used: AtomicUsize,
    limit: AtomicUsize,
}

/// A share of the memory; given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit: AtomicUsize::new(limit) })
    }

    /// What is held beyond a smaller limit stays held; only nothing is added.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The bytes of all bodies.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { memory: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Take more, or leave everything as it is.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Unavailable> {
        let used = self.memory.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used > self.memory.limit.load(Ordering::Relaxed) {
            self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Unavailable::Memory);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Give some of it back.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How much room is made for a body on its sender's word alone, in bytes.
const AHEAD: usize = 1 << 20;

/// Read a body of at most `limit` bytes until `deadline`. The share is to be held as long as the bytes are.
pub(super) async fn read(
    mut body: impl Body<Data = Bytes> + Unpin,
    limit: usize,
    deadline: Instant,
    memory: &Arc<Memory>,
) -> Result<(Bytes, Share), Refused> {
    let mut share = memory.share();
    let mut first = Bytes::new();
    // Only a body of more than one frame is copied together.
    let mut rest = BytesMut::new();
    let declared = body.size_hint().exact().map_or(0, |length| usize::try_from(length).map_or(limit, |l| l.min(limit)));
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Reject::BodyTimeout)?;
        let Some(frame) = frame else { break };
        // The client went away or broke the framing; nobody will read the answer.
        let frame = frame.map_err(|_| Reject::BodyIncomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if share.bytes + data.len() > limit {
            return Err(Reject::BodyTooLarge.into());
        }
        share.grow(data.len())?;
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                // In one piece: bodies that grow by doubling leave holes behind. What is not written yet takes no memory.
                rest.reserve(declared.min(AHEAD).max(first.len() + data.len()));
                rest.extend_from_slice(&first);
                // hyper reads on into the buffer that it lent, once nobody holds a part of it.
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok((if rest.is_empty() { first } else { rest.freeze() }, share))
}

/// Whether nothing more comes of a body, be it read or refused: what has come already is thrown away.
pub(super) fn is_over(mut body: impl Body + Unpin) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    while !body.is_end_stream() {
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None) => return true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::Body;
    use hyper::body::Frame;

    use super::*;

    fn memory(limit: usize) -> Arc<Memory> {
        Memory::new(limit)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn what_has_come_is_thrown_away_and_what_has_not_is_known() {
        /// Of two frames the second is on its way.
        struct Half(Option<Bytes>);
        impl hyper::body::Body for Half {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                self.0.take().map_or(Poll::Pending, |first| Poll::Ready(Some(Ok(Frame::data(first)))))
            }
        }
        assert!(is_over(Body::empty()) && is_over(Body::from("all of it")));
        assert!(!is_over(Half(Some("the first".into()))));
    }

    #[tokio::test]
    async fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
        let memory = memory(100);
        let (bytes, share) = read(Body::from(vec![7; 10]), 10, soon(), &memory).await.unwrap();
        assert_eq!((bytes.len(), memory.used()), (10, 10));
        drop(share);
        let refused = read(Body::from(vec![7; 11]), 10, soon(), &memory).await.unwrap_err();
        assert_eq!(refused, Refused::Reject(Reject::BodyTooLarge));
        assert_eq!(memory.used(), 0, "nothing is held after a refusal");
    }

    #[tokio::test]
    async fn the_memory_of_all_bodies_is_bounded() {
        let memory = memory(15);
        let held = read(Body::from(vec![7; 10]), 10, soon(), &memory).await.unwrap();
        let refused = read(Body::from(vec![7; 10]), 10, soon(), &memory).await.unwrap_err();
        assert_eq!(refused, Refused::Unavailable(Unavailable::Memory));
        drop(held);
        assert!(read(Body::from(vec![7; 10]), 10, soon(), &memory).await.is_ok());
    }
}
