//! Any history of appends, faults, crashes and damage keeps what was acknowledged.

use proptest::prelude::*;

use super::*;

/// What can happen to a log.
#[derive(Clone, Debug)]
enum Step {
    Append { records: usize, size: usize },
    Fault(Fault),
    Finish(usize),
    Settle,
    Crash { keep: usize },
    Kill,
    Flip { segment: usize, at: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop_oneof![(0..600_usize).prop_map(Fault::Full), Just(Fault::Sync), Just(Fault::Names),];
    let step = prop_oneof![
        6 => (1..6_usize, 0..6_000_usize).prop_map(|(records, size)| Step::Append { records, size }),
        2 => fault.prop_map(Step::Fault),
        4 => (0..8_usize).prop_map(Step::Finish),
        2 => Just(Step::Settle),
        2 => (0..=100_usize).prop_map(|keep| Step::Crash { keep }),
        1 => Just(Step::Kill),
        1 => (0..4_usize, any::<usize>()).prop_map(|(segment, at)| Step::Flip { segment, at }),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_history_keeps_what_was_acknowledged(steps in steps()) {
        let mut bench = Bench::new();
        // Frames that a flip has hit: they may be lost, and everything else may not.
        let mut hit = BTreeSet::new();
        let mut finished = BTreeSet::new();
        for step in steps {
            match step {
                Step::Append { records, size } => drop(bench.append(records, size)),
                Step::Fault(fault) => bench.disk.inject(fault),
                Step::Finish(index) => {
                    if let Some(sequence) = bench.acknowledged.keys().nth(index).copied() {
                        finished.insert(bench.acknowledged[&sequence].clone());
                        bench.finish(sequence);
                    }
                }
                Step::Settle => {
                    let _ = bench.log.settle();
                    bench.log.close_if_asked(&mut bench.active);
                }
                Step::Crash { .. } | Step::Kill => {
                    let before = bench.acknowledged.clone();
                    if let Step::Crash { keep } = step {
                        bench.disk.crash(keep);
                    } else {
                        bench.disk.kill();
                    }
                    let (records, found) = reopened(&bench.disk);
                    for (sequence, id) in &before {
                        let gone = hit.contains(sequence);
                        prop_assert!(records.get(sequence) == Some(id) || gone, "{sequence} ({id}) is lost");
                        if records.get(sequence) != Some(id) {
                            let named = found.damage.iter().any(|damage| damage.lost.contains(sequence));
                            prop_assert!(named || found.torn > 0, "{sequence} is lost and not named");
                        }
                    }
                    prop_assert!(records.values().all(|id| bench.sent.contains(id)), "nothing is invented");
                    for damage in &found.damage {
                        for sequence in damage.lost.clone() {
                            prop_assert!(hit.contains(&sequence) || !before.contains_key(&sequence),
                                "{sequence} is called lost and was not hit");
                        }
                    }
                    bench.restart();
                    // What came back is acknowledged from now on: it will be drained.
                    bench.acknowledged = read(&bench.disk).0;
                    let (drained, lost) = bench.drain();
                    prop_assert_eq!(&drained, &bench.acknowledged);
                    prop_assert_eq!(lost, 0, "what the survey has named is not missed again");
                    hit.clear();
                }
                Step::Flip { segment, at } => {
                    let names = bench.disk.segments();
                    let Some(name) = names.get(segment % names.len().max(1)) else { continue };
                    let mark = Segment::parse(name, 0).unwrap().mark;
                    let before = frame::recover(&bench.disk.bytes(name), mark).records;
                    bench.disk.flip(name, at);
                    let after = frame::recover(&bench.disk.bytes(name), mark).records;
                    let kept: BTreeSet<u64> = after.into_iter().map(|(sequence, _)| sequence).collect();
                    hit.extend(before.into_iter().map(|(sequence, _)| sequence).filter(|n| !kept.contains(n)));
                }
            }
        }
        let (drained, _) = bench.drain();
        for (sequence, id) in &bench.acknowledged {
            prop_assert!(drained.get(sequence) == Some(id) || hit.contains(sequence), "{sequence} is not drained");
        }
        prop_assert!(drained.values().all(|id| bench.sent.contains(id)));
    }
}
