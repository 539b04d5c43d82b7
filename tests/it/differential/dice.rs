//! Reproducible randomness: a seed and a case's number give the case.

/// SplitMix64 (Steele, Lea and Flood 2014): short, and good enough to choose cases.
pub(super) struct Dice(u64);

/// What damages the grammars of these headers, URLs and forms.
const PIECES: [&str; 22] = [
    " ", "  ", ",", ",,", ";", "=", "==", ":", "\t", "v1", "v1=", "v0=", "t=", "t=1,", "v1,", "sha256=", "\"", "%",
    "+", "0", "é", ".",
];

impl Dice {
    pub(super) fn new(seed: u64, place: u64) -> Dice {
        Dice(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        among[self.below(among.len())]
    }

    pub(super) fn number(&mut self, among: &[i64]) -> i64 {
        among[self.below(among.len())]
    }

    /// A text of letters, digits and what else JSON and forms may hold.
    pub(super) fn word(&mut self) -> String {
        let letters =
            ["a", "Z", "7", "_", " ", "é", "µ", "😀", "\u{ff01}", "'", "&", "=", "%", "+", "/", "~", "\u{2028}", "ß"];
        let length = self.below(8);
        (0..length).map(|_| if self.one_in(3) { self.pick(&letters) } else { self.pick(&letters[..4]) }).collect()
    }

    /// The text with one damage, small or large.
    pub(super) fn damaged(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        let at = self.below(letters.len() + 1);
        match self.below(12) {
            0 => letters.truncate(at),
            1 => drop(letters.drain(..at)),
            2 => return text.to_uppercase(),
            3 => return text.to_lowercase(),
            4 => return format!("{text}{}", self.pick(&PIECES)),
            5 => return format!("{}{text}", self.pick(&PIECES)),
            6 => return format!("{text}{text}"),
            7 => letters = letters.split_off(at).into_iter().chain(letters).collect(),
            8 if at < letters.len() => drop(letters.remove(at)),
            9 if at < letters.len() => letters[at] = if letters[at] == '0' { '1' } else { '0' },
            10 if at < letters.len() => {
                let other = letters[at].to_ascii_uppercase();
                letters[at] = if other == letters[at] { other.to_ascii_lowercase() } else { other };
            }
            _ => drop(letters.splice(at..at, self.pick(&PIECES).chars())),
        }
        letters.into_iter().collect()
    }
}
