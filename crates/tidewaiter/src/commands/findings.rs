//! What `cves`, `quickview` and `explain` share: the advisory database, and what people say of findings.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use regex::Regex;
use tidewaiter_advisory::{Database, Matches, match_inventory, vex};
use tidewaiter_platform::source::ReadImage;
use tidewaiter_report::{Report, ReportedImage};

use super::db::default_path;
use crate::environment;
use crate::ui::Ui;

/// What findings are judged with.
#[derive(clap::Args)]
pub(crate) struct JudgeArgs {
    /// The advisory database, as `tidewaiter db build` makes it
    #[arg(long, value_name = "FILE", alias = "local-vulndb")]
    db: Option<PathBuf>,
    /// Scout's word for working without a server, as this program always does here
    #[arg(long, hide = true)]
    local: bool,
    /// VEX documents (OpenVEX, CSAF, CycloneDX), or directories of them; repeatable
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    vex_location: Vec<PathBuf>,
    /// Only statements of authors that match this; repeatable
    #[arg(long, value_name = "REGEX", value_delimiter = ',')]
    vex_author: Vec<Regex>,
    /// What is to be ignored, with reasons; tidewaiter-ignore.toml in this directory counts without being named
    #[arg(long, value_name = "FILE")]
    ignore_file: Option<PathBuf>,
    /// Leave out what VEX statements say is not affected, instead of listing it as suppressed
    #[arg(long)]
    only_vex_affected: bool,
    /// Leave out what is suppressed, for whatever reason, instead of listing it
    #[arg(long)]
    ignore_suppressed: bool,
    /// The organisation at a server; this command asks none
    #[arg(long, value_name = "NAME", hide = true)]
    org: Option<String>,
}

/// The file of what is to be ignored that counts without being named.
const IGNORE_FILE: &str = "tidewaiter-ignore.toml";

/// Everything that findings are judged with, read and checked.
pub(crate) struct Judge {
    pub(crate) database: Database,
    statements: Vec<vex::Statement>,
    authors: Vec<Regex>,
    ignored: Vec<vex::Statement>,
    hides_suppressed: bool,
}

impl JudgeArgs {
    /// Opens the database and reads the statements, so that what is wrong with them is said before an image is read.
    pub(crate) fn open(&self, ui: Ui) -> Result<Judge> {
        let path = self.db.clone().unwrap_or_else(default_path);
        if !path.exists() {
            bail!(
                "there is no advisory database at {}; make one with `tidewaiter db build --from PATH…`, where PATH is a \
                 bulk export of OSV (a zip file for each ecosystem)",
                path.display()
            );
        }
        let database = open_database(&path)?;
        if let Some(org) = &self.org {
            ui.note(format_args!(
                "Note: this machine judges by itself; nothing was asked of organisation {org}"
            ));
        }
        let mut statements = Vec::new();
        for path in &self.vex_location {
            read_statements(path, &mut statements)?;
        }
        let named = self.ignore_file.clone();
        let ignore = named.or_else(|| Some(PathBuf::from(IGNORE_FILE)).filter(|file| file.is_file()));
        let ignored = match ignore {
            Some(file) => read_ignored(&file, ui)?,
            None => Vec::new(),
        };
        Ok(Judge {
            database,
            statements,
            authors: self.vex_author.clone(),
            ignored,
            hides_suppressed: self.ignore_suppressed || self.only_vex_affected,
        })
    }
}

/// Opens a database; one that was checked before, and is the same file still, is not checked again.
fn open_database(path: &Path) -> Result<Database> {
    let note = environment::cache_home().join("advisories.checked");
    let identity = std::fs::metadata(path).ok().and_then(|facts| environment::identity(&facts));
    if identity.is_some() && std::fs::read_to_string(&note).ok() == identity {
        return Ok(Database::open_checked_before(path)?);
    }
    let database = Database::open(path)?;
    if let (Some(identity), Some(directory)) = (identity, note.parent()) {
        // It only saves time: where it cannot be kept, the next run checks again.
        let _ = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&note, identity));
    }
    Ok(database)
}

/// Reads a document, or every document in a directory.
fn read_statements(path: &Path, statements: &mut Vec<vex::Statement>) -> Result<()> {
    let failed = || format!("{} cannot be read", path.display());
    if path.is_dir() {
        let mut files = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
            .with_context(failed)?;
        files.sort();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        return files.iter().try_for_each(|file| read_statements(file, statements));
    }
    let bytes = std::fs::read(path).with_context(failed)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    statements.extend(vex::read(&name, &bytes).with_context(failed)?);
    Ok(())
}

fn read_ignored(file: &Path, ui: Ui) -> Result<Vec<vex::Statement>> {
    let failed = || format!("{} cannot be used", file.display());
    let text = std::fs::read_to_string(file).with_context(failed)?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (statements, expired) =
        vex::read_ignore(&name, &text, environment::timestamp()).with_context(failed)?;
    for one in expired {
        ui.note(format_args!("Warning: {one}"));
    }
    Ok(statements)
}

impl Judge {
    /// Holds an image against the database and the statements.
    pub(crate) fn matches(&self, name: &str, image: &ReadImage, ui: Ui) -> Matches {
        let inventory = &image.inventory;
        let mut matches = match_inventory(&self.database, inventory, environment::timestamp());
        let subject = vex::Subject { name: name.to_owned(), digest: image.digest.clone() };
        let said = vex::apply(&mut matches, inventory, &subject, &self.statements, &self.authors);
        let ignored = vex::apply(&mut matches, inventory, &subject, &self.ignored, &[]);
        for one in said.unbelieved.iter().chain(&said.unused).chain(&ignored.unused) {
            ui.note(format_args!("Warning: {one}"));
        }
        if self.hides_suppressed {
            matches.suppressed.clear();
        }
        matches
    }

    /// The report of an image.
    pub(crate) fn report(&self, name: &str, image: &ReadImage, ui: Ui) -> Report {
        let matches = self.matches(name, image, ui);
        let reported = ReportedImage::new(name, image.digest.as_deref(), &image.inventory);
        Report::new(reported, &image.inventory, &matches)
    }
}
