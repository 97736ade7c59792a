//! Files are written whole or not at all.

use std::fs;
use std::io::{Error, Write};
use std::path::Path;

/// Whoever looks at the path sees all of the file or none of it.
pub(crate) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
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
