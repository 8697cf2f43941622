//! What the boot program has decided and said to hold: the same question is not put to it again. It alone decides; here is
//! only kept what it said, and which of a caller's variables it wants to see at all.

use super::request::{Request, bytes_of};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

/// Bytes of questions and answers that are kept. A guest can ask as many different questions as it likes.
const ROOM: usize = 2 << 20;

/// What a command gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    pub environment: Vec<(OsString, OsString)>,
    /// Working directories, best first.
    pub directories: Vec<OsString>,
}

impl Start {
    /// Variables that no program could be given are left out.
    pub fn new(environment: &[String], directories: &[String]) -> Start {
        Start {
            environment: environment.iter().filter_map(|variable| split(variable)).collect(),
            directories: directories.iter().map(|directory| bytes_of(directory)).collect(),
        }
    }

    fn size(&self) -> usize {
        let variables = self.environment.iter();
        let directories = self.directories.iter();
        variables.map(|(name, value)| name.len() + value.len()).sum::<usize>()
            + directories.map(|directory| directory.len()).sum::<usize>()
    }
}

fn split(variable: &str) -> Option<(OsString, OsString)> {
    let (name, value) = variable.split_once('=')?;
    let (name, value) = (bytes_of(name), bytes_of(value));
    (!name.is_empty() && !name.as_bytes().contains(&0) && !value.as_bytes().contains(&0)).then_some((name, value))
}

/// What a decision may depend on, of a request.
pub type Question = Vec<String>;

pub struct Decided {
    /// Names of variables that are looked at; with a `*` behind it, all names that begin so.
    names: Vec<String>,
    answers: BTreeMap<Question, Rc<Start>>,
    size: usize,
}

impl Decided {
    pub fn new(names: Vec<String>) -> Decided {
        Decided {
            names,
            answers: BTreeMap::new(),
            size: 0,
        }
    }

    /// Takes from a request the variables that nobody looks at. The rest of it is what is asked.
    pub fn question(&self, request: &mut Request) -> Question {
        request.environment.retain(|variable| {
            let name = variable.split_once('=').map_or("", |(name, _)| name);
            self.names.iter().any(|looked_at| match looked_at.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == looked_at,
            })
        });
        let program = request.words.first().cloned().unwrap_or_default();
        let mut question = vec![program, request.directory.clone()];
        question.extend(request.environment.iter().cloned());
        question
    }

    pub fn answer(&self, question: &Question) -> Option<Rc<Start>> {
        self.answers.get(question).cloned()
    }

    /// Keeps an answer. When there is no room, all others are given up for it: they can be asked for again.
    pub fn keep(&mut self, question: Question, start: &Rc<Start>) {
        let size = question.iter().map(String::len).sum::<usize>() + start.size();
        if size > ROOM || self.answers.contains_key(&question) {
            return;
        }
        if self.size + size > ROOM {
            self.answers.clear();
            self.size = 0;
        }
        self.size += size;
        self.answers.insert(question, Rc::clone(start));
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{RequestKind, Stream};
    use super::*;

    fn request(program: &str, directory: &str, environment: &[&str]) -> Request {
        Request {
            kind: RequestKind::Request,
            call: "1-a".to_string(),
            words: vec![program.to_string(), "word".to_string()],
            environment: environment.iter().map(ToString::to_string).collect(),
            directory: directory.to_string(),
            streams: [Stream::Null; 3],
            terminal: None,
            detached: false,
        }
    }

    fn decided() -> Decided {
        Decided::new(vec!["LANG".to_string(), "LC_*".to_string()])
    }

    fn start(value: &str) -> Rc<Start> {
        Rc::new(Start::new(&[format!("A={value}")], &["/".to_string()]))
    }

    #[test]
    fn only_variables_that_are_looked_at_are_asked_about() {
        let mut asked = request(
            "true",
            "/",
            &["LANG=C", "LANGUAGE=de", "LC_ALL=C=D", "XLANG=x", "LC=y", "BIG=z"],
        );
        let question = decided().question(&mut asked);
        assert_eq!(asked.environment, ["LANG=C", "LC_ALL=C=D"]);
        assert_eq!(asked.words, ["true", "word"]);
        assert_eq!(question, ["true", "/", "LANG=C", "LC_ALL=C=D"]);
    }

    #[test]
    fn an_answer_holds_for_the_same_question_and_no_other() {
        let mut decided = decided();
        let question = decided.question(&mut request("true", "/", &["LANG=C", "X=1"]));
        assert_eq!(decided.answer(&question), None);
        decided.keep(question, &start("b"));
        let ask = |asked: &mut Request| decided.answer(&decided.question(asked));
        assert_eq!(ask(&mut request("true", "/", &["LANG=C", "X=2"])), Some(start("b")));
        for mut other in [
            request("false", "/", &["LANG=C"]),
            request("true", "/tmp", &["LANG=C"]),
            request("true", "/", &["LANG=D"]),
            request("true", "/", &["LANG=C", "LC_ALL=C"]),
            request("true", "/", &[]),
        ] {
            assert_eq!(ask(&mut other), None);
        }
    }

    #[test]
    fn whatever_is_asked_the_answers_take_no_more_room() {
        let mut decided = decided();
        for number in 0..10_000 {
            decided.keep(vec![format!("{number}"), "x".repeat(1000)], &start(&"y".repeat(1000)));
            assert!(decided.size <= ROOM);
        }
        let held: usize = decided
            .answers
            .iter()
            .map(|(question, start)| question.iter().map(String::len).sum::<usize>() + start.size())
            .sum();
        assert_eq!(held, decided.size);
        assert!(held > 0);
        decided.keep(vec!["x".repeat(ROOM)], &start("z"));
        assert_eq!(decided.answer(&vec!["x".repeat(ROOM)]), None);
        assert!(decided.answer(&vec!["9999".to_string(), "x".repeat(1000)]).is_some());
    }

    #[test]
    fn variables_that_no_program_could_have_are_left_out() {
        let texts = ["A=b=c", "=x", "none", "B=", "C=\u{0}"].map(String::from);
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        assert_eq!(Start::new(&texts, &[]).environment, [pair("A", "b=c"), pair("B", "")]);
    }
}
