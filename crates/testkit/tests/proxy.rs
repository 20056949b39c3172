//! The proxy in front of a server of a few lines, seen through bare sockets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tidewaiter_testkit::{Fault, FaultProxy, PathClass, Plan, Rule, When};

/// A server that answers every request with its own target, ten times over; `connection: close` ends it.
fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || answer_all(client));
        }
    });
    address
}

fn answer_all(mut client: TcpStream) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(end) = text.find("\r\n\r\n") {
            let head = text[..end].to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.map_or(0, |length| length.parse().expect("a number"));
            if text.len() < whole {
                break;
            }
            let body = head.split(' ').nth(1).expect("a target").repeat(10);
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if client.write_all(response.as_bytes()).is_err() || head.contains("connection: close") {
                return;
            }
            text.drain(..whole);
        }
        match client.read(&mut buffer) {
            Ok(read) if read > 0 => text += std::str::from_utf8(&buffer[..read]).expect("text"),
            _ => return,
        }
    }
}

/// Sends `requests` over one connection and gives all that comes back until the server's side ends.
fn talk(proxy: &FaultProxy, requests: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address()).expect("the proxy listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(requests.as_bytes()).expect("the proxy reads");
    let mut answer = Vec::new();
    // A cut may come as a reset; what came before it counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn last(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[test]
fn passes_everything_on_and_counts_it() {
    let proxy = FaultProxy::start(server(), Plan::new());
    let put = "PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    let answer = talk(&proxy, &format!("{}{put}{}", get("/v2/a/blobs/sha256:1"), last("/v2/a/tags/list")));
    assert_eq!(answer.matches("200 OK").count(), 3, "{answer}");
    assert!(answer.ends_with(&"/v2/a/tags/list".repeat(10)), "{answer}");
    assert_eq!(proxy.count("GET", PathClass::Blob), 1);
    assert_eq!(proxy.count("PUT", PathClass::Upload), 1);
    assert_eq!(proxy.counts().len(), 3);
    assert_eq!(proxy.connections(), 1);
    assert!(proxy.take_records().iter().all(|record| record.status == Some(200) && record.fault.is_none()));
    assert!(proxy.records().is_empty());
}

#[test]
fn requests_sent_ahead_are_delayed_together() {
    let proxy = FaultProxy::start(server(), Plan::new().round_trip(Duration::from_millis(100)));
    let requests = get("/a").repeat(19) + &last("/b");
    let begin = Instant::now();
    let answer = talk(&proxy, &requests);
    let took = begin.elapsed();
    assert_eq!(answer.matches("200 OK").count(), 20, "{answer}");
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert!(
        took < Duration::from_millis(1000),
        "twenty requests took as long as one after another: {took:?}"
    );
}

#[test]
fn a_new_connection_costs_its_handshake() {
    let plan = Plan::new().round_trip(Duration::from_millis(40)).handshake(Duration::from_millis(80));
    let proxy = FaultProxy::start(server(), plan);
    let begin = Instant::now();
    talk(&proxy, &last("/a"));
    assert!(begin.elapsed() >= Duration::from_millis(120), "{:?}", begin.elapsed());
}

#[test]
fn answers_in_place_of_the_server() {
    let fault = Fault::Answer { status: 429, retry_after: Some(3) };
    let proxy = FaultProxy::start(server(), Plan::new().rule(Rule::new(When::Nth(2), fault)));
    let put = "PUT /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    let answer = talk(&proxy, &format!("{}{put}{}", get("/a"), last("/b")));
    let order: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(order, ["200", "429", "200"], "{answer}");
    assert!(answer.contains("Retry-After: 3\r\n"), "{answer}");
    assert_eq!(proxy.records()[1].status, Some(429));

    proxy.set_plan(Plan::new().rule(Rule::new(When::Every(1), fault)));
    let answer = talk(&proxy, "PUT /p HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("Connection: close"), "{answer}");
}

#[test]
fn cuts_responses_and_requests_where_the_plan_says() {
    let server = server();
    let whole = talk(&FaultProxy::start(server, Plan::new()), &last("/abc"));
    let body = "/abc".len() * 10;

    let rule = Rule::new(When::Every(2), Fault::CutResponse { after: 20 });
    let proxy = FaultProxy::start(server, Plan::new().round_trip(Duration::from_millis(10)).rule(rule));
    assert_eq!(talk(&proxy, &last("/abc")), whole);
    assert_eq!(talk(&proxy, &last("/abc")), whole[..20]);

    proxy.set_plan(Plan::new().rule(Rule::new(When::Nth(1), Fault::HalfBody)));
    assert_eq!(talk(&proxy, &last("/abc")), whole[..whole.len() - body / 2]);

    proxy.set_plan(Plan::new().rule(Rule::new(When::Nth(1), Fault::CutRequest { after: 9 })));
    assert_eq!(talk(&proxy, &last("/abc")), "");
    assert_eq!(talk(&proxy, &last("/abc")), whole);
}

#[test]
fn a_server_that_is_not_there_ends_the_connection() {
    let proxy = FaultProxy::start(tidewaiter_testkit::free_address(), Plan::new());
    assert_eq!(talk(&proxy, &last("/a")), "");
}
