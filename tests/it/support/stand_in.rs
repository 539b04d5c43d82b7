//! librdkafka's mock cluster in this process, for tests where records only have to be acknowledged.

use std::sync::OnceLock;

use hookstream::kafka::StandIn;
use tokio::runtime::Runtime;

/// The stand-in that all tests share. Topics are told apart by their prefix.
pub(crate) fn stand_in() -> &'static StandIn {
    static SHARED: OnceLock<(StandIn, Runtime)> = OnceLock::new();
    let (stand_in, _) = SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let start = async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            StandIn::start(listener).expect("the stand-in starts")
        };
        (runtime.block_on(start), runtime)
    });
    stand_in
}
