//! Who may connect.
//!
//! One account: the service, whose password is read from a file at the start. Comparing takes the same time whether the
//! first or the last byte differs, and an unknown user costs what a wrong password costs. The engine itself knows no users
//! (`--user` is ignored, there is no storage for accounts): everything about identity happens here, before a query is read.

use crate::failure::Failure;

/// What a request brought to prove who it comes from. Never printed.
#[derive(Default, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The collector and its verbs: every statement.
    Service,
}

struct Account {
    user: blake3::Hash,
    password: blake3::Hash,
    role: Role,
}

/// The accounts of this engine.
pub(crate) struct Guard {
    accounts: Vec<Account>,
}

impl Guard {
    /// A guard that admits one service account.
    pub(crate) fn service(user: &str, password: &str) -> Self {
        let account = Account { user: hash(user), password: hash(password), role: Role::Service };
        Self { accounts: vec![account] }
    }

    /// The role of whoever bears these credentials.
    pub(crate) fn admit(&self, credentials: &Credentials) -> Result<Role, Failure> {
        let (Some(user), Some(password)) = (&credentials.user, &credentials.password) else {
            return Err(Failure::new(
                194,
                "REQUIRED_PASSWORD",
                "Authentication failed: this engine needs a user and a password, as HTTP Basic, as X-ClickHouse-User and \
                 X-ClickHouse-Key, or as user and password in the URL.",
            ));
        };
        // `blake3::Hash` compares in constant time; both comparisons are always made.
        let (user, password) = (hash(user), hash(password));
        let found = self.accounts.iter().fold(None, |found, account| {
            let fits = (account.user == user) & (account.password == password);
            if fits { Some(account.role) } else { found }
        });
        found.ok_or_else(|| {
            Failure::new(
                516,
                "AUTHENTICATION_FAILED",
                "Authentication failed: password is incorrect, or there is no user with such name.",
            )
        })
    }
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
        let guard = Guard::service("tamga", "correct");
        assert_eq!(guard.admit(&credentials("tamga", "correct")).unwrap(), Role::Service);
        for (user, password) in
            [("tamga", "wrong"), ("other", "correct"), ("", ""), ("correct", "tamga"), ("tamga", "")]
        {
            assert_eq!(guard.admit(&credentials(user, password)).unwrap_err().code, 516);
        }
    }

    #[test]
    fn half_a_pair_is_asked_for_the_other_half() {
        let guard = Guard::service("tamga", "correct");
        let only_user = Credentials { user: Some("tamga".to_owned()), password: None };
        assert_eq!(guard.admit(&only_user).unwrap_err().code, 194);
        assert_eq!(guard.admit(&Credentials::default()).unwrap_err().code, 194);
    }
}
