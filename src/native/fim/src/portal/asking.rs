//! Calls that wait for a decision of the boot program. It is asked about a few at a time, and only what a decision may depend
//! on: however many callers there are, and whatever they send, its memory stays as it was.

use super::ATOMIC;
use super::call::Call;
use super::decided::{Decided, Question, Start};
use super::request::Request;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Questions at a time.
const AT_ONCE: usize = 8;
/// Largest question, in bytes: a program, a directory and what says in which language to speak.
const LIMIT: usize = 64 << 10;

pub struct Waiting {
    pub call: Call,
    /// The request as it came: parsed, its words and variables would take many times as much.
    pub payload: Vec<u8>,
    asks: Vec<u8>,
    question: Question,
    is_large: bool,
}

/// What becomes of the next one who waits.
pub enum Turn {
    /// It was decided meanwhile.
    Decided(Waiting, Rc<Start>),
    /// This message is to be put to the boot program.
    Ask(Vec<u8>),
}

#[derive(Default)]
pub struct Asking {
    asked: BTreeMap<String, Waiting>,
    queue: VecDeque<Waiting>,
}

impl Asking {
    /// `None` when the question is too large: the call is given back.
    pub fn push(&mut self, call: Call, payload: Vec<u8>, mut request: Request, question: Question) -> Option<Call> {
        if question.iter().map(String::len).sum::<usize>() > LIMIT {
            return Some(call);
        }
        request.words.truncate(1);
        self.queue.push_back(Waiting {
            call,
            asks: messages::encode(&request, &[]).unwrap_or_default(),
            question,
            is_large: payload.len() > ATOMIC,
            payload,
        });
        None
    }

    pub fn len(&self) -> usize {
        self.asked.len() + self.queue.len()
    }

    /// Those whose requests were too large for the FIFO of all.
    pub fn large(&self) -> usize {
        let all = self.asked.values().chain(&self.queue);
        all.filter(|waiting| waiting.is_large).count()
    }

    pub fn holds(&self, name: &str) -> bool {
        self.asked.contains_key(name) || self.queue.iter().any(|waiting| waiting.call.name == name)
    }

    /// Whose turn it is, if anybody's.
    pub fn next(&mut self, decided: &Decided) -> Option<Turn> {
        let first = self.queue.front()?;
        if let Some(start) = decided.answer(&first.question) {
            return self.queue.pop_front().map(|waiting| Turn::Decided(waiting, start));
        }
        if self.asked.len() >= AT_ONCE {
            return None;
        }
        let mut waiting = self.queue.pop_front()?;
        let asks = std::mem::take(&mut waiting.asks);
        self.asked.insert(waiting.call.name.clone(), waiting);
        Some(Turn::Ask(asks))
    }

    /// Who has waited for the decision about this call, and what was asked.
    pub fn take(&mut self, name: &str) -> Option<(Call, Vec<u8>, Question)> {
        let waiting = self.asked.remove(name)?;
        Some((waiting.call, waiting.payload, waiting.question))
    }
}
