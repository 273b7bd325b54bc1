//! Where inputs come from: one of the corpus, changed a few times, as a seed says.

/// The longest input.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// Numbers and texts that readers stumble over.
const NASTY: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e309",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"NaN",
    b"\0",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\x1b]0;x\x07",
    b"\x1b[2J",
    b"\xc2\x9b2J",
    b"\xe2\x80\xae",
    b"e\xcc\x81\xcc\x81\xcc\x81",
    b"\"",
    b"'",
    b"\\",
    b"${X}",
    b"$(id)",
    b"../",
    b"<<",
    b"&a",
    b"*a",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[1-3]",
    b"[[",
    b"[1]",
    b"#",
    b":",
    b"=",
    b"%",
    b"@",
    b",",
    b"P99999999D",
    b"99999999999d",
    b"1.5.2G",
    b"2026-02-30",
    b"end",
    b" end\n",
];

/// Chance from a seed (SplitMix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, 0 when that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { usize::try_from(self.next() % limit as u64).unwrap_or(0) }
    }
}

/// Returns an input: one of the corpus with one to eight changes.
pub fn input(rng: &mut Rng, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = corpus[rng.below(corpus.len())].clone();
    for _ in 0..=rng.below(8) {
        change(rng, &mut bytes, corpus, words);
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
    let at = rng.below(bytes.len() + 1);
    let end = (at + 1 + rng.below(32)).min(bytes.len());
    match rng.below(11) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(rng.below(256)).unwrap_or(0),
        2 => insert(bytes, at, NASTY[rng.below(NASTY.len())]),
        3 if !words.is_empty() => insert(bytes, at, words[rng.below(words.len())].as_bytes()),
        4 => drop(bytes.drain(at.min(end)..end)),
        // A piece once more, and once more many times: depth and length.
        5 => {
            let piece = bytes[at.min(end)..end].to_vec();
            insert(bytes, at, &piece);
        }
        6 => {
            let piece =
                if rng.below(2) == 0 { NASTY[rng.below(NASTY.len())].to_vec() } else { bytes[at.min(end)..end].to_vec() };
            let times = 1 << rng.below(14);
            let many = piece.repeat(times.min(INPUT_BYTES_MAX / piece.len().max(1)));
            insert(bytes, at, &many);
        }
        7 => {
            let other = &corpus[rng.below(corpus.len())];
            let from = rng.below(other.len() + 1);
            let to = (from + rng.below(256)).min(other.len());
            insert(bytes, at, &other[from..to]);
        }
        8 => bytes.truncate(at),
        9 => {
            let made: Vec<u8> = (0..rng.below(64)).map(|_| u8::try_from(rng.below(256)).unwrap_or(0)).collect();
            insert(bytes, at, &made);
        }
        // Two lines change places.
        _ => {
            let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if lines.len() > 1 {
                let (a, b) = (rng.below(lines.len()), rng.below(lines.len()));
                lines.swap(a, b);
                *bytes = lines.concat();
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let tail = bytes.split_off(at.min(bytes.len()));
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(&tail);
}
