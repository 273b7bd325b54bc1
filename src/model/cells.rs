//! The texts of one column of a page of a list, as they go over the socket: most columns say few different things (a state, a
//! cluster, a reason), which are sent once, each row then with a number; the others have all their texts in one string.
//! A list of 100,000 jobs so needs neither an allocation nor a name for each cell on either side.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// As many different texts of a column are looked through for each row; with more, each row has its own.
const FEW_MAX: usize = 16;

/// The texts of one column, one for each row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cells {
    /// A few texts, and which of them each row has; all have the first where `rows` is empty.
    #[serde(rename_all = "camelCase")]
    Few { texts: Vec<String>, rows: Vec<u8> },
    /// A text of its own for each row.
    Each(Texts),
}

impl Default for Cells {
    fn default() -> Self {
        Self::Few { texts: Vec::new(), rows: Vec::new() }
    }
}

impl Cells {
    /// Adds the text of the next row. Not after [`Cells::close`].
    pub fn push(&mut self, text: &str) {
        let (texts, rows) = match self {
            Self::Each(each) => return each.push(text),
            Self::Few { texts, rows } => (texts, rows),
        };
        // Neighbours are mostly alike.
        let last = rows.last().copied().filter(|last| texts[usize::from(*last)] == text);
        let found = last.or_else(|| texts.iter().position(|known| known == text).and_then(|at| u8::try_from(at).ok()));
        match (found, u8::try_from(texts.len())) {
            (Some(at), _) => rows.push(at),
            (None, Ok(at)) if texts.len() < FEW_MAX => {
                texts.push(text.to_owned());
                rows.push(at);
            }
            (None, _) => {
                let mut each = Texts::default();
                rows.iter().for_each(|at| each.push(&texts[usize::from(*at)]));
                each.push(text);
                *self = Self::Each(each);
            }
        }
    }

    /// Ends the page: where all rows say the same, that is said once.
    pub fn close(&mut self) {
        if let Self::Few { texts, rows } = self
            && texts.len() == 1
        {
            rows.clear();
        }
    }

    /// Returns the text of a row; empty where there is none.
    pub fn get(&self, row: usize) -> &str {
        match self {
            Self::Each(each) => each.get(row),
            Self::Few { texts, rows } => texts.get(Self::which(rows, row)).map_or("", String::as_str),
        }
    }

    /// Returns which of a few texts a row has.
    pub fn which(rows: &[u8], row: usize) -> usize {
        rows.get(row).copied().map_or(0, usize::from)
    }
}

/// Many texts in one string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Adds one; past 4 GiB, which no page comes near, it is empty.
    pub fn push(&mut self, text: &str) {
        match u32::try_from(self.text.len() + text.len()) {
            Ok(end) => {
                self.text.push_str(text);
                self.ends.push(end);
            }
            Err(_) => self.ends.push(self.ends.last().copied().unwrap_or(0)),
        }
    }

    /// Returns one; empty where there is none.
    pub fn get(&self, at: usize) -> &str {
        let begin = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or(0) as usize };
        self.ends.get(at).map_or("", |end| &self.text[begin..*end as usize])
    }

    /// Returns all of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.get(at))
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Texts::default();
                while let Some(Piece(())) = seq.next_element_seed(Into(&mut texts))? {}
                Ok(texts)
            }
        }
        deserializer.deserialize_seq(All)
    }
}

/// Reads one text straight into the string of all.
struct Into<'a>(&'a mut Texts);
struct Piece(());

impl<'de> serde::de::DeserializeSeed<'de> for Into<'_> {
    type Value = Piece;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Piece, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Into<'_> {
    type Value = Piece;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_str<E>(self, text: &str) -> Result<Piece, E> {
        self.0.push(text);
        Ok(Piece(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_keeps_its_text() {
        let cases: [(&str, Vec<String>); 5] = [
            ("none", Vec::new()),
            ("all the same", vec!["queued".to_owned(); 1000]),
            ("few", (0..1000).map(|n| format!("word {}", n % 3)).collect()),
            ("one more than few", (0..=FEW_MAX).map(|n| n.to_string()).collect()),
            ("each", (0..1000).map(|n| format!("näme-\"{n}\"\n")).collect()),
        ];
        for (case, texts) in cases {
            let mut cells = Cells::default();
            texts.iter().for_each(|text| cells.push(text));
            cells.close();
            let sent = serde_json::to_string(&cells).unwrap();
            let back: Cells = serde_json::from_str(&sent).unwrap();
            assert_eq!(back, cells, "{case}");
            texts.iter().enumerate().for_each(|(row, text)| assert_eq!(back.get(row), text, "{case}"));
            if case == "all the same" {
                assert!(sent.len() < 50, "{sent}");
            }
        }
        assert_eq!(Cells::Each(Texts::default()).get(3), "");
    }
}
