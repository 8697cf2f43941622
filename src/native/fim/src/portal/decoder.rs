//! Frames found again in a stream that anybody may have written into.

use super::frame::{HEADER, MARK};

/// Finds frames in a stream of bytes. It never keeps more than one frame of the largest size and what was pushed last.
pub struct Decoder {
    buffer: Vec<u8>,
    limit: usize,
    /// Bytes at the head of the buffer that were found to be part of one frame.
    checked: usize,
    /// Whether bytes were passed over that are part of no frame.
    has_garbage: bool,
}

impl Decoder {
    /// Payloads above `limit` bytes are passed over like garbage.
    pub fn new(limit: usize) -> Decoder {
        Decoder {
            buffer: Vec::new(),
            limit,
            checked: 0,
            has_garbage: false,
        }
    }

    /// Whether anything but frames has come until now. A writer who has a stream for themselves has no reason for that.
    pub fn has_garbage(&self) -> bool {
        self.has_garbage
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The payload of the next whole frame.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let start = find_mark(&self.buffer);
            if start > 0 {
                self.pass_over(start);
            }
            let header = self.buffer.get(..HEADER)?;
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            if length == 0 || length > self.limit {
                self.pass_over(1);
                continue;
            }
            let end = HEADER + length;
            let there = end.min(self.buffer.len());
            let from = self.checked.max(HEADER);
            if let Some(cut) = self.buffer[from..there].iter().position(|byte| *byte == MARK[0]) {
                self.pass_over(from + cut);
                continue;
            }
            self.checked = there;
            if there < end {
                return None;
            }
            let payload = self.buffer[HEADER..end].to_vec();
            self.drop_front(end);
            return Some(payload);
        }
    }

    fn pass_over(&mut self, count: usize) {
        self.has_garbage = true;
        self.drop_front(count);
    }

    fn drop_front(&mut self, count: usize) {
        self.checked = 0;
        self.buffer.drain(..count);
        if self.buffer.is_empty() {
            self.buffer.shrink_to(1 << 16);
        }
    }
}

/// Where a mark begins, or what may become one at the end of the bytes; their length if there is none.
fn find_mark(bytes: &[u8]) -> usize {
    let mut from = 0;
    while let Some(position) = bytes[from..].iter().position(|byte| *byte == MARK[0]) {
        let rest = &bytes[from + position..];
        let length = rest.len().min(MARK.len());
        if rest[..length] == MARK[..length] {
            return from + position;
        }
        from += position + 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::super::frame::tests::{VECTORS, Vectors, bytes};
    use super::super::frame::{LIMIT, encode};
    use super::*;

    fn decode(limit: usize, chunks: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::new(limit);
        let mut found = Vec::new();
        for chunk in chunks {
            decoder.push(&chunk);
            while let Some(payload) = decoder.next() {
                found.push(payload);
            }
        }
        found
    }

    #[test]
    fn shared_vectors_decode_in_pieces_of_any_size() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.decode.len() >= 10);
        for vector in vectors.decode {
            let stream = bytes(&vector.stream);
            let expected: Vec<Vec<u8>> = vector.payloads.iter().map(|payload| bytes(payload)).collect();
            for size in 1..=stream.len().max(1) {
                let found = decode(vector.limit, stream.chunks(size).map(<[u8]>::to_vec));
                assert_eq!(found, expected, "{} in pieces of {size}", vector.name);
            }
        }
    }

    #[test]
    fn garbage_is_noticed_and_frames_are_none() {
        let frame = encode(b"{}", 100).unwrap();
        let too_long = [&MARK[..], &[101, 0, 0, 0]].concat();
        let cut = [&frame[..HEADER + 1], &frame].concat();
        for (stream, has_garbage) in [
            (frame.clone(), false),
            ([frame.clone(), frame.clone()].concat(), false),
            (frame[..5].to_vec(), false),
            ([b"x".to_vec(), frame.clone()].concat(), true),
            ([frame.clone(), b"x".to_vec()].concat(), true),
            (too_long, true),
            (cut, true),
        ] {
            let mut decoder = Decoder::new(100);
            decoder.push(&stream);
            while decoder.next().is_some() {}
            assert_eq!(decoder.has_garbage(), has_garbage, "{stream:?}");
        }
    }

    /// A generator that gives the same numbers at each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    #[test]
    fn no_garbage_between_frames_loses_one() {
        let mut numbers = Numbers(7);
        for _ in 0..2_000 {
            let mut stream = Vec::new();
            let mut expected = Vec::new();
            for _ in 0..numbers.below(5) {
                // Whatever a hostile writer puts there, also the beginning of a frame, but no whole one.
                match numbers.below(3) {
                    0 => stream.extend(
                        (0..numbers.below(12)).map(|_| [0xff, b'F', b'I', b'M', 0, 7, 200][numbers.below(7) as usize]),
                    ),
                    1 => {
                        let frame = encode(b"{\"kind\":\"cut\"}", LIMIT).unwrap();
                        stream.extend_from_slice(&frame[..numbers.below(frame.len() as u64) as usize]);
                    }
                    _ => {}
                }
                let payload: Vec<u8> = (0..=numbers.below(40))
                    .map(|_| b' ' + numbers.below(90) as u8)
                    .collect();
                stream.extend(encode(&payload, LIMIT).unwrap());
                expected.push(payload);
            }
            let size = 1 + numbers.below(9) as usize;
            let found = decode(LIMIT, stream.chunks(size).map(<[u8]>::to_vec));
            // Garbage may by chance be a frame itself; ours are all there, in their order.
            let mut left = found.iter();
            for payload in &expected {
                assert!(left.any(|other| other == payload), "{payload:?} was lost");
            }
        }
    }

    #[test]
    fn a_frame_that_never_ends_keeps_no_more_than_the_limit() {
        let mut decoder = Decoder::new(1000);
        decoder.push(&[0xff, b'F', b'I', b'M', 0xe8, 3, 0, 0]);
        for _ in 0..100 {
            decoder.push(&[0xff; 500]);
            assert_eq!(decoder.next(), None);
            assert!(decoder.buffer.len() <= 1000 + HEADER + 500);
        }
    }
}
