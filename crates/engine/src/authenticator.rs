//! Decides which account sent a request, before the query is read.
//!
//! The service has a password, which is read from a file at the start. The analyst too, for this machine may have other
//! users. Persons have accounts of their own ([`crate::people`]). A comparison takes the same time for every wrong password, and an unknown
//! user takes the same time as a wrong password. The engine's library knows no users: it ignores `--user` and has no
//! storage for accounts.

use std::sync::Arc;

use crate::failure::Failure;
use crate::people::People;
use crate::reader::reader;

/// User and password of a request. Never printed.
#[derive(Default, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// The rights of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The collector and its commands. It may run every statement.
    Service,
    /// People: analysts, or break-glass on the vault. They may run what [`crate::analyst`] allows.
    Analyst,
}

/// Who sent a request.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    pub(crate) name: Arc<str>,
    /// The sites whose rows the caller reads. `None`: those of all.
    pub(crate) sites: Option<Arc<[String]>>,
}

struct Account {
    user: blake3::Hash,
    password: blake3::Hash,
    role: Role,
}

/// The accounts of this engine.
pub(crate) struct Authenticator {
    accounts: Vec<Account>,
    people: Option<People>,
}

impl Authenticator {
    /// An authenticator that admits the service account.
    pub(crate) fn service(user: &str, password: &str) -> Self {
        let account = Account { user: hash(user), password: hash(password), role: Role::Service };
        Self { accounts: vec![account], people: None }
    }

    /// Admits persons too.
    pub(crate) fn admit_people(&mut self, people: People) {
        self.people = Some(people);
    }

    /// The account with these credentials.
    /// `outside`: the request came from another machine. Only people are admitted from there.
    pub(crate) async fn caller(&self, credentials: &Credentials, outside: bool) -> Result<Caller, Failure> {
        let failure = match self.admit(credentials) {
            Ok(Role::Service) if outside => return Err(wrong()),
            Ok(role) => {
                let name = if role == Role::Service { "tamga" } else { reader().user };
                return Ok(Caller { role, name: name.into(), sites: None });
            }
            Err(failure) => failure,
        };
        let (Some(people), Some(user), Some(password)) = (&self.people, &credentials.user, &credentials.password)
        else {
            return Err(failure);
        };
        let person = people.find(user, password).await?.ok_or(failure)?;
        Ok(Caller { role: Role::Analyst, name: Arc::clone(&person.name), sites: person.sites.clone() })
    }

    /// Admits the analyst too, or break-glass in its place. A service account with the analyst's name keeps its name.
    pub(crate) fn admit_analyst(&mut self, password: &str) {
        let account = Account { user: hash(reader().user), password: hash(password), role: Role::Analyst };
        self.accounts.insert(0, account);
    }

    /// The role of the account with these credentials, if it is no person's.
    fn admit(&self, credentials: &Credentials) -> Result<Role, Failure> {
        let (Some(user), Some(password)) = (&credentials.user, &credentials.password) else {
            return Err(Failure::new(
                194,
                "REQUIRED_PASSWORD",
                "Authentication failed: this engine needs a user and a password, as HTTP Basic, as X-ClickHouse-User and \
                 X-ClickHouse-Key, or as user and password in the URL.",
            ));
        };
        // `blake3::Hash` compares in constant time, and both are always compared.
        let (user, password) = (hash(user), hash(password));
        let found = self.accounts.iter().fold(None, |found, account| {
            let fits = (account.user == user) & (account.password == password);
            if fits { Some(account.role) } else { found }
        });
        found.ok_or_else(wrong)
    }
}

fn wrong() -> Failure {
    Failure::new(
        516,
        "AUTHENTICATION_FAILED",
        "Authentication failed: password is incorrect, or there is no user with such name.",
    )
}

fn hash(text: &str) -> blake3::Hash {
    blake3::hash(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: Some(user.to_owned()), password: Some(password.to_owned()) }
    }

    #[test]
    fn only_the_right_pair_is_admitted() {
        let authenticator = Authenticator::service("tamga", "correct");
        assert_eq!(authenticator.admit(&credentials("tamga", "correct")).unwrap(), Role::Service);
        for (user, password) in
            [("tamga", "wrong"), ("other", "correct"), ("", ""), ("correct", "tamga"), ("tamga", "")]
        {
            assert_eq!(authenticator.admit(&credentials(user, password)).unwrap_err().code, 516);
        }
    }

    #[test]
    fn half_a_pair_is_asked_for_the_other_half() {
        let authenticator = Authenticator::service("tamga", "correct");
        let only_user = Credentials { user: Some("tamga".to_owned()), password: None };
        assert_eq!(authenticator.admit(&only_user).unwrap_err().code, 194);
        assert_eq!(authenticator.admit(&Credentials::default()).unwrap_err().code, 194);
    }

    #[test]
    fn each_account_has_its_own_password() {
        let mut both = Authenticator::service("tamga", "correct");
        both.admit_analyst("secret");
        assert_eq!(both.admit(&credentials("tamga", "correct")).unwrap(), Role::Service);
        assert_eq!(both.admit(&credentials("analyst", "secret")).unwrap(), Role::Analyst);
        for (user, password) in [("tamga", "secret"), ("analyst", "correct"), ("analyst", "")] {
            assert_eq!(both.admit(&credentials(user, password)).unwrap_err().code, 516);
        }
        let only_user = Credentials { user: Some("analyst".to_owned()), password: None };
        assert_eq!(both.admit(&only_user).unwrap_err().code, 194);
        assert_eq!(Authenticator::service("tamga", "x").admit(&credentials("analyst", "")).unwrap_err().code, 516);
    }
}
