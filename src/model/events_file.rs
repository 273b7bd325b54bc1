//! Reads scalars out of TensorBoard's event files: records of TFRecord (length, masked CRC-32C of the length, data, masked CRC-32C of the
//! data; all little endian) that hold an `Event` message. Pure: bytes in, readings out. Called with what lies from the end of the last
//! whole record on.
//!
//! Decision (2026-11): `prost` with the four messages that hold scalars, written down here, and `crc32c`. The crate `tfrecord` reads whole
//! files and brings every message of TensorFlow; `tensorboard-rs` writes only.

use prost::Message;

use super::metric::Reading;

/// The length and its checksum.
const HEAD_BYTES: usize = 12;
/// The checksum of the data.
const FOOT_BYTES: usize = 4;
/// The longest record that is read: scalars are far shorter, images and histograms are passed over.
const RECORD_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
}

/// A tensor; of it only what a scalar needs. `dtype` 1 is float, 2 double, 3 int32, 9 int64 (tensorflow/core/framework/types.proto).
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(bytes = "vec", tag = "4")]
    content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    floats: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    doubles: Vec<f64>,
}

/// What was found in some bytes of an event file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The scalars.
    pub readings: Vec<Reading>,
    /// How many bytes are done with; more than there were when a record that is too long is passed over.
    pub used: u64,
    /// Whether a length is wrong: nothing behind it can be read.
    pub broken: bool,
}

/// Reads all whole records of some bytes, `there` of which the file has from their beginning on, known or not.
pub fn read(bytes: &[u8], there: u64) -> Found {
    let mut found = Found::default();
    while let Some(rest) =
        bytes.get(usize::try_from(found.used).unwrap_or(usize::MAX)..).filter(|rest| rest.len() >= HEAD_BYTES)
    {
        let number = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&rest[at..at + 4]);
            u32::from_le_bytes(four)
        };
        let length = u64::from(number(0)) | u64::from(number(4)) << 32;
        if masked(&rest[..8]) != number(8) {
            found.broken = true;
            return found;
        }
        let whole = HEAD_BYTES as u64 + length + FOOT_BYTES as u64;
        if length > RECORD_BYTES_MAX {
            if found.used + whole > there {
                break;
            }
            found.used += whole;
            continue;
        }
        if (rest.len() as u64) < whole {
            break;
        }
        let end = HEAD_BYTES + length as usize;
        // One whose data are damaged is passed over; its length was right.
        if masked(&rest[HEAD_BYTES..end]) == number(end)
            && let Ok(event) = Event::decode(&rest[HEAD_BYTES..end])
        {
            let step = event.step as f64;
            for value in event.summary.unwrap_or_default().value {
                if let Some(number) = value.number() {
                    found.readings.push(Reading { name: value.tag, step: Some(step), value: number });
                }
            }
        }
        found.used += whole;
    }
    found
}

impl SummaryValue {
    fn number(&self) -> Option<f64> {
        if let Some(value) = self.simple_value {
            return Some(decimal(value));
        }
        let tensor = self.tensor.as_ref()?;
        let content = |size: usize| Some(tensor.content.as_slice()).filter(|bytes| bytes.len() == size);
        match tensor.dtype {
            1 => match tensor.floats.as_slice() {
                [one] => Some(decimal(*one)),
                _ => Some(decimal(f32::from_le_bytes(content(4)?.try_into().ok()?))),
            },
            2 => match tensor.doubles.as_slice() {
                [one] => Some(*one),
                _ => Some(f64::from_le_bytes(content(8)?.try_into().ok()?)),
            },
            3 => Some(f64::from(i32::from_le_bytes(content(4)?.try_into().ok()?))),
            9 => Some(i64::from_le_bytes(content(8)?.try_into().ok()?) as f64),
            _ => None,
        }
    }
}

/// Returns the number that a person would have written for a single: 0.1 and not 0.10000000149.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// The checksum as TFRecord keeps it (tensorflow/core/lib/hash/crc32c.h).
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that TensorBoard's own writer wrote: its head, `loss` 0.5 at step 1 as a simple value, `loss` 0.25 at step 2 as a tensor, an
    /// image, `acc` nan at step 3 (`tensorboard.summary.writer.event_file_writer` of TensorBoard 2.21).
    const FILE: &[u8] = include_bytes!("../../tests/fixtures/events.out.tfevents.sample");

    fn words(found: &Found) -> Vec<String> {
        found.readings.iter().map(|r| format!("{} {} {}", r.name, r.step.unwrap_or(-1.0), r.value)).collect()
    }

    #[test]
    fn what_tensorboard_writes_is_read() {
        let found = read(FILE, FILE.len() as u64);
        assert_eq!(words(&found), ["loss 1 0.5", "loss 2 0.1", "acc 3 NaN"]);
        assert_eq!((found.used, found.broken), (FILE.len() as u64, false));
    }

    #[test]
    fn a_file_that_grows_is_read_record_by_record() {
        let (mut at, mut all) = (0, Vec::new());
        for end in 0..=FILE.len() {
            let found = read(&FILE[at..end], (end - at) as u64);
            at += found.used as usize;
            all.extend(words(&found));
        }
        assert_eq!(all, ["loss 1 0.5", "loss 2 0.1", "acc 3 NaN"]);
    }

    #[test]
    fn damage_costs_one_record_or_the_rest() {
        let first = u64::from(FILE[0]) + 16;
        let mut data = FILE.to_vec();
        data[first as usize + HEAD_BYTES + 2] ^= 0xff;
        assert_eq!(words(&read(&data, data.len() as u64)), ["loss 2 0.1", "acc 3 NaN"], "its data are wrong");
        let mut length = FILE.to_vec();
        length[first as usize] ^= 0xff;
        let found = read(&length, length.len() as u64);
        assert_eq!((words(&found).len(), found.used, found.broken), (0, first, true), "nobody knows where the next begins");
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let mut head = (RECORD_BYTES_MAX + 1).to_le_bytes().to_vec();
        let sum = masked(&head);
        head.extend(sum.to_le_bytes());
        let found = read(&head, 2 * RECORD_BYTES_MAX);
        assert_eq!((found.used, found.broken), (RECORD_BYTES_MAX + 1 + 16, false));
        assert_eq!(read(&head, 100).used, 0, "it is still being written");
    }
}
