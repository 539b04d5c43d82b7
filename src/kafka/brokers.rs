//! What the brokers themselves let through, beside what the topics need.
//!
//! Pure: `admin` asks the brokers.

use std::collections::BTreeMap;

use super::topics::Topic;

/// The topic setting that says how large a record may be.
const LARGEST_RECORD: &str = "max.message.bytes";

/// The largest request that a broker reads. It closes the connection on a larger one, without an answer.
const REQUEST: &str = "socket.request.max.bytes";

/// What holds for a topic without [`LARGEST_RECORD`] of its own.
const MESSAGE: &str = "message.max.bytes";

/// What a follower asks for at once: of one partition, and together. A record that is larger comes all the same, alone.
const FOLLOWER: [&str; 2] = ["replica.fetch.max.bytes", "replica.fetch.response.max.bytes"];

/// The settings that are compared.
pub(super) const SETTINGS: [&str; 4] = [REQUEST, MESSAGE, FOLLOWER[0], FOLLOWER[1]];

/// A broker's limits, or why it does not tell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: i32,
    /// Its limits by their Kafka names; what a service does not show is missing.
    pub limits: Result<BTreeMap<&'static str, u64>, String>,
}

/// What is found of the brokers, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Records that will not get through.
    Closed(String),
    /// Limits that nobody could compare.
    Unknown(String),
    /// All that can be written gets through.
    Open(String),
}

/// The brokers' limits beside the largest records of these topics.
pub fn compare(topics: &[Topic], brokers: &[Broker]) -> Vec<Finding> {
    let largest = topics.iter().filter_map(|topic| Some((topic.settings.get(LARGEST_RECORD)?.parse().ok()?, topic)));
    let Some((largest, topic)) = largest.max_by_key(|(largest, _): &(u64, _)| *largest) else { return Vec::new() };
    let mut findings = Vec::new();
    for broker in brokers {
        let unknown = |why: &str| {
            let id = broker.id;
            Finding::Unknown(format!("the limits of broker {id} cannot be compared with the largest record: {why}"))
        };
        match &broker.limits {
            Err(why) => findings.push(unknown(why)),
            Ok(limits) if !limits.contains_key(REQUEST) => findings.push(unknown(&format!("it shows no {REQUEST}"))),
            Ok(_) => {}
        }
    }
    let of = |name: &'static str| {
        let each = brokers.iter().filter_map(move |broker| Some((*broker.limits.as_ref().ok()?.get(name)?, broker.id)));
        each.min()
    };
    let Some((request, id)) = of(REQUEST) else { return findings };
    if request < largest {
        findings.push(Finding::Closed(format!(
            "{REQUEST} is {request} on broker {id}, and a record of {} can have {largest} bytes: the broker closes the \
             connection on it, with all that is under way there, and it is never stored; raise {REQUEST} above {largest} \
             (it takes a restart of the broker), or lower max_body",
            topic.name
        )));
        return findings;
    }
    let mut open = format!("they read requests up to {request} bytes, the largest record can have {largest}");
    if let Some((message, _)) = of(MESSAGE).filter(|(message, _)| *message < largest) {
        open.push_str(&format!(
            "; {MESSAGE} is {message}, which {LARGEST_RECORD} of the topics replaces (`topics apply` sets it)"
        ));
    }
    let follower = FOLLOWER.iter().filter_map(|name| Some((of(name)?.0, *name))).min();
    if let Some((fetch, name)) = follower.filter(|(fetch, _)| topic.replication > 1 && *fetch < largest) {
        open.push_str(&format!("; {name} is {fetch}: followers fetch a larger record alone, a little slower"));
    }
    findings.push(Finding::Open(open));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::topics::Kind;
    use super::*;

    fn topic(largest: u64, replication: i32) -> Topic {
        let settings = BTreeMap::from([(LARGEST_RECORD, largest.to_string())]);
        let (name, kind) = (format!("of-{largest}"), Kind::Raw);
        Topic { name, kind, beside: None, partitions: 1, replication, settings }
    }

    fn broker(id: i32, limits: &[(&'static str, u64)]) -> Broker {
        Broker { id, limits: Ok(limits.iter().copied().collect()) }
    }

    #[test]
    fn one_broker_that_closes_the_connection_is_enough() {
        let brokers = [broker(1, &[(REQUEST, 9_000)]), broker(2, &[(REQUEST, 4_999)]), broker(3, &[(REQUEST, 5_000)])];
        let [Finding::Closed(what)] = &*compare(&[topic(5_000, 3), topic(10, 3)], &brokers) else { panic!() };
        assert!(what.contains("4999 on broker 2, and a record of of-5000 can have 5000"), "{what}");
        let [Finding::Open(what)] = &*compare(&[topic(4_999, 3)], &brokers) else { panic!() };
        assert_eq!(what, "they read requests up to 4999 bytes, the largest record can have 4999");
    }

    #[test]
    fn what_only_slows_down_is_a_hint() {
        let one = broker(1, &[(REQUEST, 9_000), (MESSAGE, 100), (FOLLOWER[0], 300), (FOLLOWER[1], 200)]);
        let said = |topic| match &*compare(&[topic], std::slice::from_ref(&one)) {
            [Finding::Open(what)] => what.clone(),
            other => panic!("{other:?}"),
        };
        let both = said(topic(5_000, 2));
        assert!(both.contains("message.max.bytes is 100, which max.message.bytes of the topics replaces"), "{both}");
        assert!(both.contains("replica.fetch.response.max.bytes is 200"), "{both}");
        assert!(!said(topic(5_000, 1)).contains("replica"), "nobody follows");
        assert!(!said(topic(100, 2)).contains(';'), "all are large enough");
    }

    #[test]
    fn what_cannot_be_compared_is_said_of_each_broker() {
        let brokers = [
            Broker { id: 1, limits: Err("not allowed".to_owned()) },
            broker(2, &[(MESSAGE, 1)]),
            broker(3, &[(REQUEST, 1)]),
        ];
        let findings = compare(&[topic(5_000, 3)], &brokers);
        assert!(matches!(&findings[..], [Finding::Unknown(a), Finding::Unknown(b), Finding::Closed(_)]
            if a.contains("broker 1") && a.ends_with("not allowed") && b.ends_with("shows no socket.request.max.bytes")));
        assert_eq!(compare(&[topic(5_000, 3)], &[]), []);
    }
}
