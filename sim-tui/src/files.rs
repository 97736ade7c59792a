//! Files are written whole or not at all.

use std::fs;
use std::io::{Error, Write};
use std::path::{Path, PathBuf};

use crate::report::{Bad, bad};

/// Whoever looks at the path sees all of the file or none of it. A link is followed, and what is no file, such as a pipe or
/// `/dev/stdout`, is written to and stays what it is.
pub(crate) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return writeln!(fs::OpenOptions::new().write(true).open(path)?, "{text}");
    }
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
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

/// Whether a file could be written there; `option` asks for it.
pub(crate) fn check_file(option: &str, path: &Path) -> Result<(), Bad> {
    if path.is_dir() {
        return Err(bad!("{option} {} is a folder; name a file in it", path.display()));
    }
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(bad!("{option} {}: there is no folder {}", path.display(), folder.display()));
    }
    let made = tempfile::tempfile_in(folder);
    made.map(drop).map_err(|error| bad!("{option} {} cannot be written: {error}", path.display()))
}

/// Whether files are all different ones, whatever they are called; each comes with what it is in the command.
pub(crate) fn check_apart(files: &[(&str, Option<&Path>)]) -> Result<(), Bad> {
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    let is_file = |path: &Path| !path.exists() || path.is_file();
    let files = files.iter().filter_map(|(what, path)| Some((*what, path.filter(|path| is_file(path))?)));
    for (what, path) in files {
        let file = place(path);
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == file) {
            return Err(bad!("{what} {} is also {other}; it would be lost, so name another file", path.display()));
        }
        seen.push((what, file));
    }
    Ok(())
}

/// Where a file is or would be, without links and dots.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = || Some(fs::canonicalize(folder).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(made).unwrap_or_else(|| path.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_and_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_whole(&link, "after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "after\n");
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write_whole(&pipe, "rows").unwrap();
        assert_eq!(reader.join().unwrap(), "rows\n");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn files_are_apart_whatever_they_are_called() {
        let folder = tempfile::tempdir().unwrap();
        let [one, same, other] = ["one", "./one", "other"].map(|name| folder.path().join(name));
        assert!(check_apart(&[("--csv", Some(&one)), ("--html", Some(&other)), ("--svg", None)]).is_ok());
        assert!(check_apart(&[("--csv", Some(&one)), ("--html", Some(&same))]).is_err());
    }
}
