//! `tidewaiter db`: the advisory database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::json;
use tidewaiter_advisory::{BuildOptions, BuildReport, Database, PackageChange, build};
use tidewaiter_platform::feeds::{FEEDS, Feed, FeedStore, FileState, Outcome};

use super::db_move;
use crate::ui::Ui;
use crate::{environment, size};

/// Make and look at the advisory database
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compile advisories into the database that images are matched with
    Build(BuildArgs),
    /// Fetch what changed of the public feeds, and compile it
    Update(UpdateArgs),
    /// Tell what a database holds, and how the feeds stand
    #[command(alias = "info")]
    Status(StatusArgs),
    /// Tell of which packages two databases do not say the same
    Diff(DiffArgs),
    /// Push a database to a registry, as an artifact
    Push(db_move::Args),
    /// Pull a database from a registry
    Pull(db_move::Args),
}

/// Arguments of `db update`.
#[derive(clap::Args)]
pub(crate) struct UpdateArgs {
    /// Fetch these feeds too; `tidewaiter db status` lists all
    #[arg(long, value_name = "FEED", value_delimiter = ',')]
    with: Vec<String>,
    /// Do not fetch these
    #[arg(long, value_name = "FEED", value_delimiter = ',')]
    without: Vec<String>,
    /// Fetch only these
    #[arg(long, value_name = "FEED", value_delimiter = ',', conflicts_with_all = ["with", "without"])]
    only: Vec<String>,
    /// A server that has every feed as a file of its name, in place of their own
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Where the feeds are kept
    #[arg(long, value_name = "DIR")]
    feeds: Option<PathBuf>,
    /// The file to write; the one before is replaced once the new one is complete
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the database that `tidewaiter up --data DIR` uses
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    data: Option<PathBuf>,
}

/// Arguments of `db diff`.
#[derive(clap::Args)]
pub(crate) struct DiffArgs {
    /// The older database
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The newer database
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Arguments of `db build`.
#[derive(clap::Args)]
pub(crate) struct BuildArgs {
    /// Advisories: archives, files or directories of OSV, CSAF and CVE records, Debian's tracker, secdb, KEV, EPSS, dates of support
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    from: Vec<PathBuf>,
    /// The file to write; the one before is replaced once the new one is complete
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the database that `tidewaiter up --data DIR` uses
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    data: Option<PathBuf>,
}

/// Arguments of `db status`.
#[derive(clap::Args)]
pub(crate) struct StatusArgs {
    /// The database
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where the feeds are kept
    #[arg(long, value_name = "DIR")]
    feeds: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Name of the database in a data directory.
pub(crate) const FILE: &str = "advisories.twdb";

/// Where the database of the command line is.
pub(crate) fn default_path() -> PathBuf {
    environment::data_home().join(FILE)
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    let work: Box<dyn FnOnce() -> Result<()> + Send> = match command {
        Command::Update(args) => return run_update(args, ui).await,
        Command::Push(args) => return db_move::push(args, ui).await,
        Command::Pull(args) => return db_move::pull(args, ui).await,
        Command::Build(args) => Box::new(move || build_from(&args.from, args.output, args.data, ui)),
        Command::Status(args) => Box::new(move || run_status(args, ui)),
        Command::Diff(args) => Box::new(move || run_diff(&args, ui)),
    };
    tokio::task::spawn_blocking(work).await?
}

fn build_from(inputs: &[PathBuf], output: Option<PathBuf>, data: Option<PathBuf>, ui: Ui) -> Result<()> {
    let output = output.or_else(|| Some(data?.join(FILE))).unwrap_or_else(default_path);
    if let Some(directory) = output.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("the directory {} cannot be made", directory.display()))?;
    }
    let options = BuildOptions { built_at: environment::timestamp() };
    let report = build(inputs, &output, &options)?;
    say_what_was_built(&report, ui);
    ui.line(format_args!("Wrote {} ({} bytes, id {})", output.display(), report.size, report.id));
    Ok(())
}

/// Where the feeds are kept when nobody says.
fn feeds_directory(named: Option<PathBuf>) -> PathBuf {
    named.unwrap_or_else(|| environment::data_home().join("feeds"))
}

async fn run_update(args: UpdateArgs, ui: Ui) -> Result<()> {
    let feeds = args.chosen()?;
    let store = FeedStore::open(&feeds_directory(args.feeds.clone()), args.mirror.as_deref())?;
    let mut failed = 0_u32;
    let mut changed = false;
    let update = store.update(&feeds, environment::timestamp(), |file, outcome| match outcome {
        Outcome::Fetched(bytes) => {
            changed = true;
            ui.note(format_args!("Fetched    {file}  {}", size::bytes(*bytes)));
        }
        Outcome::Unchanged => ui.note(format_args!("Unchanged  {file}")),
        Outcome::Failed(reason) => {
            failed += 1;
            ui.note(format_args!("Failed     {file}: {reason}"));
        }
    });
    update.await?;
    let files = store.present(&feeds);
    if files.is_empty() {
        bail!(
            "no feed could be fetched, and none was before; an air-gapped site can use `tidewaiter db build --from PATH…`"
        );
    }
    if failed > 0 {
        ui.note(format_args!(
            "Warning: {failed} files could not be fetched; what was fetched of them before is used"
        ));
    }
    let output =
        args.output.clone().or_else(|| Some(args.data.clone()?.join(FILE))).unwrap_or_else(default_path);
    if !changed && is_made_of(&output, &files) {
        ui.line(format_args!("{} is up to date", output.display()));
        return Ok(());
    }
    tokio::task::spawn_blocking(move || build_from(&files, args.output, args.data, ui)).await?
}

/// Whether a database was made of exactly these files.
fn is_made_of(database: &Path, files: &[PathBuf]) -> bool {
    let Ok(database) = Database::open(database) else { return false };
    let mut made_of: Vec<&str> = database.sources().iter().map(|source| source.name.as_str()).collect();
    made_of.dedup();
    let mut names: Vec<&str> = files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    names.sort_unstable();
    made_of.sort_unstable();
    made_of == names
}

impl UpdateArgs {
    /// The feeds that are wanted.
    fn chosen(&self) -> Result<Vec<Feed>> {
        for name in self.with.iter().chain(&self.without).chain(&self.only) {
            if !FEEDS.iter().any(|feed| feed.name == *name) {
                bail!("there is no feed {name:?}; `tidewaiter db status` lists all");
            }
        }
        let is_in = |list: &[String], feed: &Feed| list.iter().any(|name| name == feed.name);
        let is_wanted = |feed: &&Feed| {
            if self.only.is_empty() {
                (feed.is_on || is_in(&self.with, feed)) && !is_in(&self.without, feed)
            } else {
                is_in(&self.only, feed)
            }
        };
        Ok(FEEDS.iter().filter(is_wanted).copied().collect())
    }
}

fn run_diff(args: &DiffArgs, ui: Ui) -> Result<()> {
    let changes = Database::open(&args.old)?.changes_to(&Database::open(&args.new)?);
    if args.json {
        ui.line(serde_json::to_string_pretty(&changes)?);
        return Ok(());
    }
    for one in &changes {
        let mark = match one.change {
            PackageChange::Added => '+',
            PackageChange::Changed => '~',
            PackageChange::Removed => '-',
        };
        ui.line(format_args!("{mark} {} {}", one.ecosystem, one.package));
    }
    ui.note(format_args!("{} packages", changes.len()));
    Ok(())
}

fn say_what_was_built(report: &BuildReport, ui: Ui) {
    for source in &report.sources {
        ui.note(format_args!("Read {}: {} entries", source.name, source.entries));
    }
    let skipped = &report.skipped;
    for (number, reason) in [
        (skipped.withdrawn, "withdrawn"),
        (skipped.older_copies, "older copies of others"),
        (skipped.without_versions, "about commits, without versions"),
        (skipped.unreadable, "unreadable"),
    ] {
        if number > 0 {
            ui.note(format_args!("Left out {number} records: {reason}"));
        }
    }
    for unreadable in &skipped.unreadable_named {
        ui.note(format_args!("Warning: {}: {}", unreadable.name, unreadable.reason));
    }
    let unordered: u64 = skipped.ecosystems.values().sum();
    if unordered > 0 {
        let names: Vec<_> = skipped.ecosystems.keys().map(String::as_str).collect();
        ui.note(format_args!("Left out {unordered} mentions of packages of {}", names.join(", ")));
    }
    ui.line(format_args!(
        "{} advisories, {} known exploited, {} with a probability of being exploited",
        report.advisories, report.kev, report.epss
    ));
}

fn run_status(args: StatusArgs, ui: Ui) -> Result<()> {
    let path = args.file.clone().unwrap_or_else(default_path);
    let database = if path.exists() || args.file.is_some() { Some(Database::open(&path)?) } else { None };
    let store = FeedStore::open(&feeds_directory(args.feeds), None)?;
    let states = store.states();
    if args.json {
        let feeds: Vec<_> = FEEDS
            .iter()
            .map(|feed| json!({"name": feed.name, "licence": feed.licence, "on": feed.is_on, "files": files_of(feed, &states)}))
            .collect();
        let database = database.as_ref().map(|database| {
            json!({
                "path": path, "id": database.id(), "built_at": database.built_at(), "advisories": database.advisories(),
                "sources": database.sources(), "ecosystems": database.ecosystems(),
            })
        });
        ui.line(serde_json::to_string_pretty(&json!({"database": database, "feeds": feeds}))?);
        return Ok(());
    }
    match &database {
        Some(database) => say_database(database, &path, ui)?,
        None => ui.line(format_args!(
            "There is no database at {} yet; `tidewaiter db update` makes one\n",
            path.display()
        )),
    }
    ui.line("Feeds");
    for feed in &FEEDS {
        let state = if feed.is_on { "on" } else { "off" };
        ui.line(format_args!("  {:<18} {state:<4} {}", feed.name, feed.licence));
        for (file, state) in files_of(feed, &states) {
            let fetched = state
                .fetched_at
                .map_or_else(|| "never fetched".to_owned(), |at| format!("fetched {}", day(at)));
            ui.line(format_args!("    {file}: {fetched}, {}", size::bytes(state.size)));
            if let Some(error) = &state.error {
                ui.line(format_args!("    the last attempt failed: {error}"));
            }
        }
    }
    Ok(())
}

fn say_database(database: &Database, path: &Path, ui: Ui) -> Result<()> {
    let bytes = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?.len();
    let age = environment::timestamp().duration_since(database.built_at()).as_hours() / 24;
    ui.line(format_args!("Database  {}", path.display()));
    ui.line(format_args!("Id        {}", database.id()));
    ui.line(format_args!("Built     {} ({age} days ago)", day(database.built_at())));
    ui.line(format_args!("Records   {}", database.advisories()));
    ui.line(format_args!("Size      {}\n", size::bytes(bytes)));
    ui.line("Sources");
    for source in database.sources() {
        let newest =
            source.data_time.map_or_else(|| "no date".to_owned(), |time| format!("newest of {}", day(time)));
        ui.line(format_args!("  {:<32} {:>8} entries, {newest}", source.name, source.entries));
    }
    ui.line("\nEcosystems");
    let mut families: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for ecosystem in database.ecosystems() {
        let family = families.entry(ecosystem.name.split(':').next().unwrap_or_default()).or_default();
        family.0 += ecosystem.packages;
        family.1 += ecosystem.entries;
    }
    for (name, (packages, entries)) in families {
        ui.line(format_args!("  {name:<32} {packages:>8} packages, {entries} entries"));
    }
    ui.line("");
    Ok(())
}

fn files_of<'a>(feed: &Feed, states: &'a BTreeMap<String, FileState>) -> BTreeMap<&'a str, &'a FileState> {
    states.iter().filter(|(file, _)| feed.owns(file)).map(|(file, state)| (file.as_str(), state)).collect()
}

fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}
