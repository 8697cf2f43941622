//! Frames: how messages stand in a FIFO that anybody in the guest may write into.
//!
//! A mark of four bytes, the length of the payload (`u32`, little endian), the payload: JSON in UTF-8, 1 byte to 8 MiB. The
//! mark begins with a byte that UTF-8 never has, so a frame that was cut ends where the next one begins: garbage of one
//! writer costs no message of another. A message of at most `ATOMIC` bytes is written in one piece by the kernel, however
//! many write at once; larger ones go through a FIFO of their own.

pub const MARK: [u8; 4] = [0xff, b'F', b'I', b'M'];
pub const HEADER: usize = 8;
/// Largest payload, in bytes.
pub const LIMIT: usize = 8 << 20;
/// Largest frame that the kernel writes into a FIFO in one piece.
pub const ATOMIC: usize = libc::PIPE_BUF;

/// A payload with its header. `None` when it is empty, larger than `limit` or has the byte that UTF-8 never has.
pub fn encode(payload: &[u8], limit: usize) -> Option<Vec<u8>> {
    if payload.is_empty() || payload.len() > limit || payload.contains(&MARK[0]) {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?;
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&MARK);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(payload);
    Some(frame)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde::Deserialize;

    /// The same file is read by the tests of the TypeScript side.
    pub const VECTORS: &str = include_str!("../../../../../test/golden/portal-frames.json");

    #[derive(Deserialize)]
    pub struct Vector {
        pub name: String,
        pub limit: usize,
        pub stream: String,
        pub payloads: Vec<String>,
    }

    #[derive(Deserialize)]
    pub struct Vectors {
        pub decode: Vec<Vector>,
        pub encode: Vec<Encoded>,
    }

    #[derive(Deserialize)]
    pub struct Encoded {
        pub name: String,
        pub limit: usize,
        pub payload: String,
        pub frame: Option<String>,
    }

    pub fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn shared_vectors_encode() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        for vector in vectors.encode {
            let frame = encode(&bytes(&vector.payload), vector.limit);
            assert_eq!(frame, vector.frame.as_deref().map(bytes), "{}", vector.name);
        }
    }
}
