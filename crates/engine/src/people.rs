//! The accounts of people: a file of names, hashed passwords and sites, which `tamga analyst` writes.
//!
//! The file is read again when it has changed, so that an account that was removed is refused at once. Passwords are
//! verified with Argon2id, one at a time, since each takes memory and much time. A password that was right is remembered, as
//! a hash with a key that lives as long as this process, until the file changes. An unknown name takes the time of a wrong
//! password.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::failure::Failure;

/// How long a request waits for its password to be verified.
const TURN_DEADLINE: Duration = Duration::from_secs(5);
/// Passwords that are remembered.
const REMEMBERED_MAX: usize = 1024;
/// The longest file.
const FILE_MAX: u64 = 1 << 20;

/// An account of a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: Arc<str>,
    /// The sites whose rows this person reads. `None`: those of all.
    pub(crate) sites: Option<Arc<[String]>>,
    password: String,
}

/// The accounts of people on this engine.
pub(crate) struct People {
    file: PathBuf,
    /// Makes the remembered hashes worthless elsewhere.
    key: [u8; 32],
    /// A hash that no password has.
    nobody: String,
    state: Mutex<State>,
    /// One password is verified at a time.
    turn: Semaphore,
}

#[derive(Default)]
struct State {
    stamp: Option<Stamp>,
    people: Vec<Arc<Person>>,
    remembered: HashMap<blake3::Hash, Arc<Person>>,
}

/// What changes when the file is replaced: inode, length, and when it was changed.
type Stamp = (u64, u64, i64, i64);

impl People {
    /// Without a file there is nobody, until there is one.
    pub(crate) fn of(file: &Path) -> anyhow::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let nobody = Argon2::default().hash_password(&key).map_err(|error| anyhow::anyhow!("{error}"))?.to_string();
        getrandom::fill(&mut key)?;
        let people =
            Self { file: file.to_owned(), key, nobody, state: Mutex::default(), turn: Semaphore::const_new(1) };
        people.look();
        Ok(people)
    }

    /// The person with this name and password.
    pub(crate) async fn find(&self, name: &str, password: &str) -> Result<Option<Arc<Person>>, Failure> {
        self.look();
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(password.as_bytes());
        let shown = hasher.finalize();
        let (stamp, person) = {
            let state = self.state();
            if let Some(person) = state.remembered.get(&shown) {
                return Ok(Some(Arc::clone(person)));
            }
            (state.stamp, state.people.iter().find(|person| *person.name == *name).cloned())
        };
        let Ok(Ok(_turn)) = timeout(TURN_DEADLINE, self.turn.acquire()).await else {
            return Err(Failure::new(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                "Too many passwords wait to be verified. Try again.",
            ));
        };
        let kept = person.as_ref().map_or_else(|| self.nobody.clone(), |person| person.password.clone());
        let password = password.to_owned();
        let is_right = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&kept)
                .is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
        });
        let is_right = is_right.await.unwrap_or(false);
        let Some(person) = person.filter(|_| is_right) else { return Ok(None) };
        let mut state = self.state();
        // The account may have been removed meanwhile.
        if state.stamp == stamp && state.remembered.len() < REMEMBERED_MAX {
            state.remembered.insert(shown, Arc::clone(&person));
        }
        Ok(Some(person))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file if it is another than before. One that cannot be read admits nobody.
    fn look(&self) {
        let stamp = fs::metadata(&self.file).ok().map(|of| (of.ino(), of.len(), of.mtime(), of.mtime_nsec()));
        let mut state = self.state();
        if stamp == state.stamp {
            return;
        }
        let read = match stamp {
            None => Ok(Vec::new()),
            Some((_, length, ..)) if length > FILE_MAX => Err(io::Error::other("it is too long")),
            Some(_) => fs::read_to_string(&self.file)
                .and_then(|text| people(&text).ok_or_else(|| io::Error::other("it is not a list of accounts"))),
        };
        let people = read.unwrap_or_else(|error| {
            tracing::error!(%error, "the file of analysts' accounts cannot be used: nobody of them is admitted");
            Vec::new()
        });
        *state = State { stamp, people, remembered: HashMap::new() };
    }
}

/// The accounts of a file. One whose sites cannot be understood makes the whole file unusable.
fn people(text: &str) -> Option<Vec<Arc<Person>>> {
    let file: Value = serde_json::from_str(text).ok()?;
    let person = |account: &Value| {
        let sites = match account.get("sites")? {
            Value::Null => None,
            Value::Array(sites) => {
                Some(sites.iter().map(|site| site.as_str().map(str::to_owned)).collect::<Option<Arc<[String]>>>()?)
            }
            _ => return None,
        };
        Some(Arc::new(Person {
            name: account.get("name")?.as_str()?.into(),
            sites,
            password: account.get("password")?.as_str()?.to_owned(),
        }))
    };
    file.get("accounts")?.as_array()?.iter().map(person).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(accounts: &[(&str, &str, Value)]) -> String {
        let accounts: Vec<Value> = accounts
            .iter()
            .map(|(name, password, sites)| {
                let password = Argon2::default().hash_password(password.as_bytes()).unwrap().to_string();
                serde_json::json!({ "name": name, "password": password, "sites": sites })
            })
            .collect();
        serde_json::json!({ "accounts": accounts }).to_string()
    }

    #[tokio::test]
    async fn a_person_is_known_by_the_password_and_until_the_account_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.json");
        let people = People::of(&path).unwrap();
        assert_eq!(people.find("aigerim", "secret").await.unwrap(), None);
        let both = [("aigerim", "secret", Value::Null), ("daniyar", "other", serde_json::json!(["a.kz"]))];
        fs::write(&path, file(&both)).unwrap();
        for _ in 0..2 {
            assert_eq!(people.find("aigerim", "secret").await.unwrap().unwrap().sites, None);
            let daniyar = people.find("daniyar", "other").await.unwrap().unwrap();
            assert_eq!(daniyar.sites.as_deref(), Some(["a.kz".to_owned()].as_slice()));
            for (name, password) in [("aigerim", "other"), ("aigerim", ""), ("nobody", "secret"), ("aigerims", "ecret")]
            {
                assert_eq!(people.find(name, password).await.unwrap(), None, "{name} {password}");
            }
        }
        let fresh = folder.path().join("new");
        fs::write(&fresh, file(&both[..1])).unwrap();
        fs::rename(&fresh, &path).unwrap();
        assert_eq!(people.find("daniyar", "other").await.unwrap(), None);
        assert!(people.find("aigerim", "secret").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_file_that_is_not_understood_admits_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.json");
        let good = file(&[("aigerim", "secret", Value::Null)]);
        for bad in [
            "".to_owned(),
            "{}".to_owned(),
            good.replace("null", "\"a.kz\""),
            good.replace("null", "[1]"),
            good.replace("\"sites\"", "\"site\""),
            good[..good.len() / 2].to_owned(),
        ] {
            fs::write(&path, &bad).unwrap();
            let people = People::of(&path).unwrap();
            assert_eq!(people.find("aigerim", "secret").await.unwrap(), None, "{bad}");
        }
    }
}
