use super::*;
use crate::{encode, encode_apart};
use serde_json::{Value, json};

/// The same file is read by the tests of the TypeScript side.
const VECTORS: &str = include_str!("../../../../../test/golden/messages.json");

#[derive(Deserialize)]
struct Vectors {
    decode: Vec<Stream>,
    encode: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    head: usize,
    body: usize,
    stream: String,
    found: Vec<Found>,
    is_cut: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Found {
    Message { head: Value, body: String },
    Malformed { malformed: String },
}

#[derive(Deserialize)]
struct Encoded {
    name: String,
    head: Value,
    body: String,
    message: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn malformed(reason: &Malformed) -> Found {
    let malformed = match reason {
        Malformed::Head(_) => "head",
        Malformed::Body(_) => "body",
        Malformed::Line(_) => "line",
        Malformed::Content(..) => "content",
        Malformed::End => "end",
    };
    Found::Malformed {
        malformed: malformed.to_string(),
    }
}

/// Everything that is found in pieces of a stream, and whether its end is within a message.
fn decode<'a>(limits: Limits, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Found>, bool) {
    let mut decoder = Decoder::new(limits);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            let is_ready = decoder.is_ready();
            let next = decoder.take();
            assert_eq!(is_ready, !matches!(next, Ok(None)));
            found.push(match next {
                Ok(None) => break,
                Ok(Some(message)) => match message.parse::<Value>() {
                    Ok(head) => Found::Message {
                        head,
                        body: hex(&message.body),
                    },
                    Err(reason) => malformed(&reason),
                },
                Err(reason) => malformed(&reason),
            });
        }
        assert!(decoder.buffer.len() <= limits.head + 1 + limits.body + piece.len());
    }
    let is_cut = !decoder.is_empty();
    (found, is_cut)
}

#[test]
fn shared_vectors_decode_in_pieces_of_any_size() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.decode.len() >= 30);
    for vector in vectors.decode {
        let stream = bytes(&vector.stream);
        let limits = Limits {
            head: vector.head,
            body: vector.body,
        };
        for size in 1..=stream.len().max(1) {
            let (found, is_cut) = decode(limits, stream.chunks(size));
            assert_eq!(found, vector.found, "{} in pieces of {size}", vector.name);
            assert_eq!(is_cut, vector.is_cut, "{} in pieces of {size}", vector.name);
        }
    }
}

#[test]
fn shared_vectors_encode() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.encode.len() >= 5);
    for vector in vectors.encode {
        let message = encode(&vector.head, &bytes(&vector.body)).unwrap();
        assert_eq!(hex(&message), vector.message, "{}", vector.name);
    }
}

/// A generator that gives the same numbers at each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound) as usize
    }

    fn bytes(&mut self, most: u64, alphabet: &[u8]) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| alphabet[self.below(alphabet.len() as u64)])
            .collect()
    }
}

/// What messages are made of, and what is none of it.
const ALPHABET: &[u8] = b"{}\"\n\n 0123a:,\\\xff\x00";
const LIMITS: Limits = Limits { head: 60, body: 40 };

#[test]
fn messages_come_back_in_pieces_of_any_size() {
    let mut numbers = Numbers(1);
    let every: Vec<u8> = (0..=255).collect();
    for _ in 0..2_000 {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..numbers.below(6) {
            let head = json!({ "k": String::from_utf8_lossy(&numbers.bytes(8, ALPHABET)) });
            let body = numbers.bytes(40, &every);
            stream.extend(encode(&head, &body).unwrap());
            expected.push(Found::Message { head, body: hex(&body) });
        }
        let size = 1 + numbers.below(30);
        assert_eq!(decode(LIMITS, stream.chunks(size)), (expected, false));
    }
}

#[test]
fn any_bytes_are_messages_or_refused_and_never_take_more_than_their_limits() {
    let mut numbers = Numbers(2);
    for round in 0..20_000 {
        let mut stream = numbers.bytes(120, ALPHABET);
        if round % 2 == 0 {
            // Messages that were changed in some places.
            stream = [stream, encode(&json!({ "a": 1 }), b"12345").unwrap()].concat();
            for _ in 0..numbers.below(4) {
                let at = numbers.below(stream.len() as u64);
                stream[at] = ALPHABET[numbers.below(ALPHABET.len() as u64)];
            }
        }
        let whole = decode(LIMITS, [stream.as_slice()].into_iter());
        let size = 1 + numbers.below(9);
        assert_eq!(decode(LIMITS, stream.chunks(size)), whole, "{}", hex(&stream));
    }
}

#[test]
fn no_garbage_costs_a_message_that_begins_with_an_empty_line() {
    let mut numbers = Numbers(3);
    for _ in 0..5_000 {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for number in 0..numbers.below(6) {
            // Also the beginning of a message, whole ones, and numbers of bytes that do not follow.
            stream.extend(numbers.bytes(90, ALPHABET));
            let message = encode_apart(&json!({ "sound": number })).unwrap();
            stream.extend(&message[..numbers.below(message.len() as u64 + 1)]);
            stream.extend(&message);
            expected.push(message[1..message.len() - 1].to_vec());
        }
        let mut decoder = Decoder::new(Limits::heads(60));
        let mut found = Vec::new();
        for piece in stream.chunks(1 + numbers.below(20)) {
            decoder.push(piece);
            while let Some(message) = decoder.take_valid() {
                found.push(message.head);
            }
        }
        let mut left = found.iter();
        for message in &expected {
            assert!(left.any(|other| other == message), "{} was lost", hex(message));
        }
    }
}

#[test]
fn a_line_that_never_ends_keeps_no_more_than_its_limit() {
    let mut decoder = Decoder::new(Limits::heads(1000));
    for _ in 0..100 {
        decoder.push(&[b'{'; 500]);
        let _ = decoder.take();
        assert!(decoder.buffer.len() <= 1500);
    }
    decoder.push(b"\n{\"a\":1}\n");
    assert_eq!(decoder.take_valid().unwrap().head, b"{\"a\":1}");
    assert!(decoder.is_tainted());
}

#[test]
fn what_is_pending_is_no_garbage_and_what_can_become_no_message_is() {
    for (stream, is_tainted) in [
        ("{\"a\":1}\n", false),
        ("\n\n{\"a\":1}\n\n{\"a\"", false),
        ("{\"a\":1}\nx", true),
        ("x", true),
        ("{\"a\":1} 5\n", true),
        ("[1]\n", true),
    ] {
        let mut decoder = Decoder::new(Limits::heads(100));
        decoder.push(stream.as_bytes());
        while decoder.take_valid().is_some() {}
        assert_eq!(decoder.is_tainted(), is_tainted, "{stream}");
    }
}

#[test]
fn a_packet_is_one_message() {
    let whole = encode(&json!({ "a": 1 }), b"12").unwrap();
    assert_eq!(parse_packet(&whole, LIMITS).unwrap().body, b"12");
    for end in 0..whole.len() {
        assert!(parse_packet(&whole[..end], LIMITS).is_err(), "{end}");
    }
    assert!(parse_packet(&[whole.clone(), whole.clone()].concat(), LIMITS).is_err());
    assert!(parse_packet(&whole, Limits::heads(60)).is_err());
}

#[test]
fn the_end_of_a_stream_is_an_error_only_within_a_message() {
    let whole = encode(&json!({ "a": 1 }), b"12").unwrap();
    for end in 0..=whole.len() {
        let mut reader = Reader::new(&whole[..end], LIMITS);
        let read = reader.read();
        if end == 0 {
            assert_eq!(read.unwrap(), None);
        } else if end == whole.len() {
            assert_eq!(read.unwrap().unwrap().body, b"12");
            assert_eq!(reader.read().unwrap(), None);
        } else {
            assert_eq!(read.unwrap_err().to_string(), "a message ends early", "{end}");
        }
    }
}

#[test]
fn errors_name_what_has_come() {
    let refused = |stream: &str| {
        let mut reader = Reader::new(stream.as_bytes(), LIMITS);
        reader.read().unwrap_err().to_string()
    };
    assert_eq!(refused("hello\n"), "this line is not a message: hello");
    assert_eq!(
        refused(&format!("{{{}\n", "x".repeat(60))),
        "a message has a line of more than 60 bytes"
    );
    assert_eq!(refused("{} 41\n"), "a message has more than 40 bytes behind its line");
    let message = Message {
        head: b"{\"a\":1}".to_vec(),
        body: Vec::new(),
    };
    #[derive(Debug, Deserialize)]
    struct Wanted {
        #[serde(rename = "b")]
        _b: u8,
    }
    assert_eq!(
        message.parse::<Wanted>().unwrap_err().to_string(),
        "missing field `b` at line 1 column 7, in the message {\"a\":1}"
    );
}
