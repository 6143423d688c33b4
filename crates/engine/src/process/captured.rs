//! What a child prints, as it comes, and what is kept of it.

use std::io::Read;
use std::sync::mpsc::Sender;
use std::thread;

/// Captured output beyond this is cut in the middle: enough for every real error, small enough to keep.
const CAPTURE_LIMIT: usize = 1 << 20;

/// A piece of output; `bytes` is `None` at its end.
pub(super) struct Chunk {
    pub(super) error: bool,
    pub(super) bytes: Option<Vec<u8>>,
}

pub(super) fn read_into(mut from: impl Read + Send + 'static, error: bool, sender: Sender<Chunk>) {
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender
                .send(Chunk {
                    error,
                    bytes: Some(buffer[..count].to_vec()),
                })
                .is_err()
            {
                return;
            }
        }
        let _ = sender.send(Chunk { error, bytes: None });
    });
}

/// Output with its middle cut out once it grows too long.
#[derive(Default)]
pub(super) struct Captured {
    head: Vec<u8>,
    tail: Vec<u8>,
    cut: u64,
}

impl Captured {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (CAPTURE_LIMIT / 2)
            .saturating_sub(self.head.len())
            .min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.extend_from_slice(&bytes[room..]);
        if self.tail.len() > CAPTURE_LIMIT {
            let surplus = self.tail.len() - CAPTURE_LIMIT / 2;
            self.tail.drain(..surplus);
            self.cut += surplus as u64;
        }
    }

    pub(super) fn text(self) -> String {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let tail = String::from_utf8_lossy(&self.tail);
        if self.cut == 0 {
            head + &tail
        } else {
            format!("{head}\n… {} bytes cut …\n{tail}", self.cut)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_keeps_its_head_and_its_tail() {
        let mut captured = Captured::default();
        captured.push(b"begin");
        for _ in 0..40 {
            captured.push(&[b'x'; 100_000]);
        }
        captured.push(b"end");
        let text = captured.text();
        assert!(text.starts_with("begin") && text.ends_with("end") && text.contains("bytes cut"));
        assert!(text.len() < 2 * CAPTURE_LIMIT);
    }
}
