//! Paths in messages and records: strings in which each character is one byte, since a path need not be UTF-8. For `serde(with)`.

/// One path.
pub mod path {
    use crate::janitor::{from_bytes, to_bytes};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&from_bytes(path.as_os_str().as_bytes()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = to_bytes(&text).ok_or_else(|| D::Error::custom("a path has a character that is no byte"))?;
        Ok(OsString::from_vec(bytes).into())
    }

    /// A path in a list.
    #[derive(Deserialize, Serialize)]
    pub struct Named(#[serde(with = "self")] pub PathBuf);
}

/// A path that may be missing.
pub mod optional_path {
    use super::path::Named;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::path::PathBuf;

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.clone().map(Named).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let named = Option::<Named>::deserialize(deserializer)?;
        Ok(named.map(|Named(path)| path))
    }
}

/// Several paths.
pub mod paths {
    use super::path::Named;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::path::PathBuf;

    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        let named: Vec<Named> = paths.iter().cloned().map(Named).collect();
        named.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        let named = Vec::<Named>::deserialize(deserializer)?;
        Ok(named.into_iter().map(|Named(path)| path).collect())
    }
}

/// The words of a command line.
pub mod words {
    use super::path::Named;
    use serde::{Deserialize, Deserializer};
    use std::ffi::OsString;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OsString>, D::Error> {
        let named = Vec::<Named>::deserialize(deserializer)?;
        Ok(named.into_iter().map(|Named(word)| word.into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Message {
        #[serde(with = "super::path")]
        one: PathBuf,
        #[serde(with = "super::paths")]
        several: Vec<PathBuf>,
    }

    #[test]
    fn paths_of_any_bytes_come_back() {
        let every: Vec<u8> = (1..=255).collect();
        let path = PathBuf::from(OsString::from_vec(every));
        let message = Message {
            one: path.clone(),
            several: vec![path, PathBuf::from("größe")],
        };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        assert!(serde_json::from_str::<Message>(r#"{"one":"Ā","several":[]}"#).is_err());
    }
}
