//! The passwords of accounts on embedded engines: random, made at the first start, readable by the owner only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::files::{private_folder, sync_name};

/// Reads a password from its file. A missing file is made, readable by the owner only.
pub(super) fn kept_password(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(password) if !password.trim().is_empty() => Ok(password.trim().to_owned()),
        Ok(_) => Err(io::Error::other("it is empty; remove it, and a new one is made")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_password(file)?;
            Ok(fs::read_to_string(file)?.trim().to_owned())
        }
        Err(error) => Err(error),
    }
}

/// The file is written beside and linked into place. So two processes that make it at once end with the same password.
fn make_password(file: &Path) -> io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    private_folder(dir)?;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let fresh = file.with_extension(format!("new-{}", URL_SAFE_NO_PAD.encode(&bytes[..6])));
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut writer = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    writeln!(writer, "{}", URL_SAFE_NO_PAD.encode(bytes))?;
    writer.sync_all()?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_name(file),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_password_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engine/service.password");
        let password = kept_password(&file).unwrap();
        assert_eq!(password.len(), 43);
        assert_eq!(kept_password(&file).unwrap(), password);
        make_password(&file).unwrap();
        assert_eq!(kept_password(&file).unwrap(), password);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        fs::write(&file, "\n").unwrap();
        assert!(kept_password(&file).is_err());
    }
}
