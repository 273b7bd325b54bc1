//! The checksum that every POSIX system can tell of a file: `cksum` (POSIX.1-2024, XCU `cksum`), a CRC of 32 bits over the
//! bytes and their number. It finds damage and mix-ups; against forgery there is ssh.

/// The polynomial of ISO/IEC 8802-3, highest power first.
const POLYNOMIAL: u32 = 0x04c1_1db7;
/// `TABLES[k][b]`: what byte `b` does to the sum with `k` bytes after it, so that eight are taken in one step.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ POLYNOMIAL } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut after = 1;
    while after < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[after - 1][byte];
            tables[after][byte] = before << 8 ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        after += 1;
    }
    tables
}

/// A sum that grows with its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    crc: u32,
    count: u64,
}

impl Sum {
    /// Takes further bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        self.feed(bytes);
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut crc = self.crc;
        let mut eights = bytes.chunks_exact(8);
        for eight in &mut eights {
            let high = crc ^ u32::from_be_bytes([eight[0], eight[1], eight[2], eight[3]]);
            let [a, b, c, d] = high.to_be_bytes();
            crc = TABLES[7][usize::from(a)]
                ^ TABLES[6][usize::from(b)]
                ^ TABLES[5][usize::from(c)]
                ^ TABLES[4][usize::from(d)]
                ^ TABLES[3][usize::from(eight[4])]
                ^ TABLES[2][usize::from(eight[5])]
                ^ TABLES[1][usize::from(eight[6])]
                ^ TABLES[0][usize::from(eight[7])];
        }
        for byte in eights.remainder() {
            crc = crc << 8 ^ TABLES[0][usize::from((crc >> 24) as u8 ^ byte)];
        }
        self.crc = crc;
    }

    /// Returns how many bytes were taken in.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the line that `cksum` prints of the same bytes on its standard input.
    pub fn line(&self) -> String {
        let mut whole = *self;
        let mut length = self.count;
        while length > 0 {
            whole.feed(&[(length & 0xff) as u8]);
            length >>= 8;
        }
        format!("{} {}", !whole.crc, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of GNU coreutils 9.1.
    #[test]
    fn as_cksum_says() {
        let all: Vec<u8> = (0..=255u8).cycle().take(70_001).collect();
        for (bytes, line) in
            [(&b""[..], "4294967295 0"), (b"a", "1220704766 1"), (b"123456789", "930766865 9"), (b"hello\n", "3015617425 6")]
        {
            let mut sum = Sum::default();
            sum.add(bytes);
            assert_eq!(sum.line(), line);
        }
        let mut whole = Sum::default();
        whole.add(&all);
        let mut pieces = Sum::default();
        all.chunks(7).for_each(|piece| pieces.add(piece));
        assert_eq!(whole, pieces);
    }
}
