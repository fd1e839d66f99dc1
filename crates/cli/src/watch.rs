//! A report that is served on this machine alone and rebuilt as trials end.

use crate::args::ReportArgs;
use crate::commands::report;
use crate::failure::Failure;
use crate::print;
use res2lab_store::{Status, SweepDir, SweepRows};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tiny_http::{Header, Request, Response, Server};

/// How often the sweep's files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Building pages may take this share of the time, so that trials keep their cores.
const SHARE: u32 = 10;

/// The page as it is, with its number.
struct Page {
    version: u64,
    html: String,
}

/// Serves until the process is ended.
pub(crate) fn serve(dirs: &[SweepDir], args: &ReportArgs) -> Result<u8, Failure> {
    let port = args.port;
    let server = Server::http(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|e| {
        Failure::machine(
            format!("cannot serve on port {port}: {e}"),
            "another program may use it; choose one with --port",
        )
    })?;
    let rows = report::read(dirs, args)?;
    let seen = marks(dirs, &rows);
    let page =
        Arc::new(Mutex::new(Page { version: 1, html: res2lab_report::render_live(&rows, 1)? }));
    let address =
        server.server_addr().to_ip().map_or_else(String::new, |address| address.to_string());
    print::line(&format!("http://{address}/ (Ctrl-C ends it)"));
    let dirs = dirs.to_vec();
    let args = args.clone();
    let built = Arc::clone(&page);
    std::thread::spawn(move || rebuild(&dirs, &args, &built, seen));
    for request in server.incoming_requests() {
        // A reader that has gone does not matter.
        let _ = answer(request, &page);
    }
    Ok(0)
}

/// Looks at the files again and again, and builds the page anew where they changed.
fn rebuild(dirs: &[SweepDir], args: &ReportArgs, page: &Mutex<Page>, mut seen: Vec<u64>) {
    let mut running = None;
    loop {
        std::thread::sleep(LOOK);
        let started = Instant::now();
        if running.as_ref().is_some_and(|rows| marks(dirs, rows) == seen) {
            continue;
        }
        let Ok(rows) = report::read(dirs, args) else { continue };
        let now = marks(dirs, &rows);
        if now != seen {
            seen = now;
            let version = page.lock().map_or(0, |page| page.version) + 1;
            match (res2lab_report::render_live(&rows, version), page.lock()) {
                (Ok(html), Ok(mut page)) => *page = Page { version, html },
                (Err(e), _) => print::told(&format!("warning: {}", e.cause)),
                (_, Err(_)) => return,
            }
        }
        running = Some(rows);
        std::thread::sleep(started.elapsed() * SHARE);
    }
}

/// The sizes of the files that grow while a sweep runs: another list means another page.
fn marks(dirs: &[SweepDir], rows: &SweepRows) -> Vec<u64> {
    let size = |path: std::path::PathBuf| fs::metadata(path).map_or(0, |m| m.len());
    let mut marks: Vec<u64> =
        dirs.iter().flat_map(|dir| [size(dir.plan()), size(dir.journal())]).collect();
    for dir in dirs {
        let jobs = fs::read_dir(dir.slurm()).into_iter().flatten().flatten();
        marks.extend(
            jobs.filter(|job| job.path().extension().is_some_and(|e| e == "jsonl"))
                .map(|job| size(job.path())),
        );
        let running = rows.trials.iter().filter(|t| t.status == Status::Running);
        // On a page of several sweeps a trial's name has its sweep's before it.
        let own = |t: &res2lab_store::TrialRow| {
            t.planned.id.rsplit('/').next().unwrap_or_default().to_owned()
        };
        marks.extend(running.map(|t| size(dir.run(&own(t)).metrics())));
    }
    marks
}

fn answer(request: Request, page: &Mutex<Page>) -> std::io::Result<()> {
    let host = request
        .headers()
        .iter()
        .find(|h| h.field.equiv("Host"))
        .map(|h| h.value.to_string())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    // A page of somebody else's whose name leads here must not read this one.
    if !matches!(name, "127.0.0.1" | "localhost") {
        return request
            .respond(Response::from_string("only for this machine").with_status_code(403));
    }
    let page = |of: fn(&Page) -> String| page.lock().map(|page| of(&page)).unwrap_or_default();
    let (text, kind) = match request.url().split('?').next().unwrap_or_default() {
        "/" => (page(|page| page.html.clone()), "text/html; charset=utf-8"),
        "/version" => (page(|page| page.version.to_string()), "text/plain"),
        _ => return request.respond(Response::from_string("not found").with_status_code(404)),
    };
    let mut response = Response::from_string(text);
    for (field, value) in [("Content-Type", kind), ("Cache-Control", "no-store")] {
        // Both are plain ASCII, which is all that a header asks.
        response =
            Header::from_bytes(field, value).into_iter().fold(response, Response::with_header);
    }
    request.respond(response)
}
