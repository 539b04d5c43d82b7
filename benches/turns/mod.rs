//! Small measurements in turns, so that what else the machine does hits all of them alike. The turns are many and shorter
//! than a time slice: most of them run undisturbed, and the medians of busy machines agree to half a hundredth.

use std::time::{Duration, Instant};

/// How often each has its turn. The first one only warms up.
const ROUNDS: usize = 401;

/// How long a turn lasts, about.
const TURN: Duration = Duration::from_micros(200);

/// Something to measure.
pub(crate) struct Turn<'a> {
    pub(crate) name: String,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(name: String, run: impl FnMut() + 'a) -> Turn<'a> {
        Turn { name, run: Box::new(run) }
    }
}

/// Nanoseconds per run of each, one figure for every round.
pub(crate) fn in_turns(turns: &mut [Turn<'_>]) -> Vec<Vec<f64>> {
    let mut taken = vec![Vec::new(); turns.len()];
    let mut counts = vec![1_u32; turns.len()];
    for round in 0..ROUNDS {
        for (place, turn) in turns.iter_mut().enumerate() {
            let start = Instant::now();
            (0..counts[place]).for_each(|_| (turn.run)());
            let each = start.elapsed().as_secs_f64() / f64::from(counts[place]);
            if round > 0 {
                taken[place].push(each * 1e9);
            }
            counts[place] = (TURN.as_secs_f64() / each).clamp(1.0, 1e6) as u32;
        }
    }
    taken
}

/// The middle one.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
