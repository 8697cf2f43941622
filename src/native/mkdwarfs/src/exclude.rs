//! Patterns of what to leave out.

/// A pattern as given to `--exclude`.
///
/// One with a slash is compared with the whole path from the root of the tree, any other with the last name alone. `?`
/// stands for one character and `*` for any number of them within a name, `**` also across names.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Vec<u8>,
    is_path: bool,
}

impl Pattern {
    pub fn new(text: &[u8]) -> Self {
        let is_path = text.contains(&b'/');
        let text = text
            .strip_prefix(b"./")
            .or_else(|| text.strip_prefix(b"/"))
            .unwrap_or(text);
        Self {
            text: text.strip_suffix(b"/").unwrap_or(text).to_vec(),
            is_path,
        }
    }

    /// `path` is relative to the root of the tree, without a slash at its ends.
    pub fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        glob(&self.text, if self.is_path { path } else { name })
    }
}

/// Goes back to the last star when the rest does not fit; a star inside a name gives up at the name's end, where only
/// the last double star may take more.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // Where to go on in the pattern after a star, and up to where the star reaches so far.
    let mut star: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), text.get(position)) {
            (Some(b'*'), _) if pattern.get(at + 1) == Some(&b'*') => {
                at += 2;
                deep = Some((at, position));
                star = None;
            }
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, position));
            }
            (None, None) => return true,
            (Some(&expected), Some(&found)) if expected == found || (expected == b'?' && found != b'/') => {
                at += 1;
                position += 1;
            }
            _ => {
                let next = star.filter(|&(_, reach)| text.get(reach).is_some_and(|&byte| byte != b'/'));
                if let Some((after, reach)) = next {
                    star = Some((after, reach + 1));
                    (at, position) = (after, reach + 1);
                    continue;
                }
                match deep {
                    Some((after, reach)) if reach < text.len() => {
                        deep = Some((after, reach + 1));
                        star = None;
                        (at, position) = (after, reach + 1);
                    }
                    _ => return false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern.as_bytes()).matches(path.as_bytes())
    }

    #[test]
    fn names_match_anywhere() {
        assert!(matches("*.pyc", "usr/lib/x.pyc"));
        assert!(matches("__pycache__", "a/__pycache__"));
        assert!(!matches("*.pyc", "usr/x.py"));
        assert!(!matches("cache", "a/cache2"));
    }

    #[test]
    fn paths_match_from_the_root() {
        assert!(matches("/var/cache/*", "var/cache/apt"));
        assert!(!matches("/var/cache/*", "var/cache/apt/archives"));
        assert!(matches("/var/cache/**", "var/cache/apt/archives"));
        assert!(matches("usr/**/doc/*.gz", "usr/a/b/doc/x.gz"));
        assert!(matches("./tmp/", "tmp"));
        assert!(!matches("/cache", "var/cache"));
    }

    #[test]
    fn question_marks_and_backtracking() {
        assert!(matches("a?c*d*e", "abcxdyde"));
        assert!(!matches("a?c", "ac"));
        assert!(!matches("x/?", "x//"));
        assert!(matches("**/b*c/d", "a/bxc/bc/d"));
    }
}
