use kubemate_ledger::UsageRow;
use tokio::sync::mpsc;

use super::*;
use crate::models::Meter;

type Settled = mpsc::UnboundedReceiver<UsageRow>;

fn events(changes: Changes) -> (Events, Settled) {
    let (meter, settled) = Meter::detached();
    (Events::new(Counts::new(meter, 40), changes), settled)
}

fn asked() -> Changes {
    Changes { rename: Some(("theirs".to_owned(), "ours".to_owned())), strips_usage: true }
}

/// Feeds `stream` in pieces of `size` bytes and gives all that left, with what was added at its end.
fn through(stream: &str, size: usize, changes: Changes) -> (String, UsageRow) {
    let (mut events, mut settled) = events(changes);
    let mut out = Vec::new();
    for piece in stream.as_bytes().chunks(size) {
        let left = events.feed(Bytes::copy_from_slice(piece)).unwrap();
        assert!(left.is_empty() || left.ends_with(b"\n\n"), "only whole events leave");
        out.extend_from_slice(&left);
    }
    out.extend_from_slice(&events.close().unwrap().unwrap_or_default());
    drop(events);
    (String::from_utf8(out).unwrap(), settled.try_recv().unwrap())
}

const STREAM: &str = concat!(
    "data: {\"model\":\"theirs\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"银行 \\\"model\\\":\\\"theirs\\\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"model\": \"theirs\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"model\":\"theirs\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n",
    "data: [DONE]\n\n",
);

const CHANGED: &str = concat!(
    "data: {\"model\":\"ours\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"银行 \\\"model\\\":\\\"theirs\\\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"model\": \"ours\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn a_stream_cut_anywhere_leaves_the_same_and_is_metered() {
    for size in 1..STREAM.len() {
        let (out, row) = through(STREAM, size, asked());
        assert_eq!(out, CHANGED, "{size}");
        assert_eq!((row.prompt_tokens, row.completion_tokens, row.status), (3, 5, 200));
    }
}

#[test]
fn what_needs_no_change_leaves_in_the_buffer_it_came_in() {
    let (mut events, _settled) = events(Changes::default());
    let came = Bytes::copy_from_slice(STREAM.as_bytes());
    let left = events.feed(came.clone()).unwrap();
    assert_eq!((left.as_ptr(), left.len()), (came.as_ptr(), came.len()));
}

#[test]
fn a_missing_end_is_added_and_a_second_one_dropped() {
    let end = "data: [DONE]\n\n";
    let open = STREAM.strip_suffix(end).unwrap();
    assert_eq!(through(open, 64, asked()).0, CHANGED);
    assert_eq!(through(&format!("{STREAM}{end}data: {{\"late\":1}}\n\n"), 64, asked()).0, CHANGED);
}

#[test]
fn a_stream_that_stops_in_its_middle_is_no_answer() {
    let (mut events, mut settled) = events(asked());
    let cut = STREAM.find("银").unwrap() + 1;
    events.feed(Bytes::copy_from_slice(&STREAM.as_bytes()[..cut])).unwrap();
    assert!(matches!(events.close(), Err(Broken::Short)));
    drop(events);
    assert_eq!(settled.try_recv().unwrap().status, 502);
}

#[test]
fn other_ways_to_write_events_become_the_one_that_clients_read() {
    let odd = concat!(
        "\r\n\r\nevent: message\r\nid: 7\r\ndata:{\"a\":1,\r\ndata: \"finish_reason\":\"stop\"}\r\n\r\n",
        ": ping\n\nretry: 10\n\ndata:[DONE]\n\n",
    );
    for size in 1..odd.len() {
        let (out, _) = through(odd, size, Changes::default());
        assert_eq!(out, "data: {\"a\":1, \"finish_reason\":\"stop\"}\n\n: ping\n\ndata: [DONE]\n\n", "{size}");
    }
}

#[test]
fn a_client_that_leaves_pays_for_the_pieces_it_saw() {
    let (mut events, mut settled) = events(asked());
    for _ in 0..3 {
        events.feed(Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")).unwrap();
    }
    drop(events);
    let row = settled.try_recv().unwrap();
    assert_eq!((row.prompt_tokens, row.completion_tokens), (10, 3));
}

#[test]
fn an_error_in_the_stream_is_told_and_metered_as_one() {
    let error = "data: {\"error\":{\"message\":\"no memory\"}}\n\n";
    let (out, row) = through(&format!("{error}data: [DONE]\n\n"), 9, asked());
    assert_eq!(out, error);
    assert_eq!(row.status, 502);
}
