//! Files are written whole or not at all.

use std::fs;
use std::io::{Error, Write};
use std::path::Path;

/// Whoever looks at the path sees all of the file or none of it.
///
/// What is there and is no file, such as a pipe or `/dev/stdout`, is written to and stays what it is; of a link, what it leads to.
pub(crate) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            return writeln!(fs::OpenOptions::new().write(true).open(path)?, "{text}");
        }
        Ok(_) | Err(_) => {}
    }
    // It may lead to what is not there yet.
    let led = fs::canonicalize(path).ok().filter(|_| path.is_symlink());
    let path = led.as_deref().unwrap_or(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".case-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What any new file may be; the umask takes away from it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // Errors are about the path that was asked for: nobody knows the temporary one.
    let mut file = builder.tempfile_in(folder).map_err(|error| Error::from(error.kind()))?;
    writeln!(file.as_file_mut(), "{text}")?;
    // What a name stands for is there before the name, even when the power goes.
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| folder.path().join(name));
        fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_whole(&link, "after").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after\n");
        let null = Path::new("/dev/null");
        write_whole(null, "nothing").unwrap();
        assert!(!null.is_file());
    }
}
