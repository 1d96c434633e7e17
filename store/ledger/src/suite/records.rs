//! Audit, usage, settings, assistants, responses.

use serde_json::json;

use super::{Case, NOW, NOW_MS, assert_conflict, assert_invalid, assert_not_found};
use crate::{
    AssistantRow, AuditEvent, Ledger, LedgerError, LimitRow, NewAssistant, NewResponse, Order, Outcome, Page, RouteRow,
    UsageBy, UsageFilter, UsageOf, UsageRow, new_id,
};

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    the_audit_chain_holds(ledger).await?;
    trimming_keeps_the_chain(ledger).await?;
    usage_is_booked_once_and_summed(ledger).await?;
    names_that_a_client_made_up_are_recorded(ledger).await?;
    budgets_find_what_was_spent(ledger).await?;
    limits_are_set_and_taken_off(ledger).await?;
    settings_are_kept(ledger).await?;
    routes_are_kept(ledger).await?;
    assistants_and_responses_are_kept(ledger).await
}

fn event(case: &Case<'_>, at_ms: i64) -> AuditEvent {
    AuditEvent {
        tenant: Some(case.tenant.clone()),
        actor: "key_1".to_owned(),
        action: "file.upload".to_owned(),
        target: "file-1".to_owned(),
        outcome: Outcome::Ok,
        at_ms,
        detail: json!({"z": 1, "a": {"名": ["值", null, 1.5]}}),
    }
}

async fn routes_are_kept(ledger: &Ledger) -> Result<(), LedgerError> {
    let row = |kind: &str, spec: &str| RouteRow {
        kind: kind.to_owned(),
        name: "模型/a:1".to_owned(),
        spec: spec.to_owned(),
        updated_at: NOW,
    };
    ledger.put_route(row("upstream", "{}")).await?;
    ledger.put_route(row("model", "{}")).await?;
    ledger.put_route(row("model", "{\"a\":1}")).await?;
    assert_eq!(ledger.routes().await?, [row("model", "{\"a\":1}"), row("upstream", "{}")]);
    ledger.delete_route("model", "模型/a:1").await?;
    assert_not_found(ledger.delete_route("model", "模型/a:1").await, "a route that was deleted");
    assert_eq!(ledger.routes().await?.len(), 1);
    ledger.delete_route("upstream", "模型/a:1").await
}

async fn the_audit_chain_holds(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let before = ledger.audit_head().await?.seq;
    ledger.audit(event(&case, NOW_MS)).await?;
    ledger.audit_all((1..=5000).map(|ms| event(&case, NOW_MS + ms)).collect()).await?;
    ledger.audit_all(Vec::new()).await?;
    let anonymous = AuditEvent { tenant: None, outcome: Outcome::Denied, ..event(&case, NOW_MS) };
    ledger.audit(anonymous).await?;
    let report = ledger.verify_audit().await?;
    assert_eq!(report.broken_at, None);
    assert_eq!(report.head.seq, before + 5002);
    let page = Page { limit: 2, order: Order::Asc, ..Page::default() };
    let page = ledger.audit_rows(&case.tenant, &page).await?;
    let first = page.data.first().ok_or(LedgerError::LeaseLost)?;
    assert_eq!((first.seq, page.has_more), (before + 1, true));
    assert_eq!(first.detail, json!({"a": {"名": ["值", null, 1.5]}, "z": 1}));
    let page = ledger.audit_rows(&case.tenant, &Page { after: page.last_id, ..Page::default() }).await?;
    assert!(page.data.iter().all(|row| row.seq < before + 2));
    let all = ledger.audit_rows_of_all(&Page { limit: 1, ..Page::default() }).await?;
    assert_eq!(all.data.first().map(|row| row.outcome.as_str()), Some("denied"));
    Ok(())
}

async fn trimming_keeps_the_chain(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    assert_eq!(ledger.audit_retention_days().await?, 400);
    assert_invalid(ledger.set_audit_retention_days(179, NOW).await, "less than half a year");
    ledger.set_audit_retention_days(180, NOW).await?;
    let late_ms = NOW_MS + 100 * DAY_MS;
    ledger.audit_all(vec![event(&case, late_ms), event(&case, late_ms + 1)]).await?;
    let rows = ledger.verify_audit().await?.rows;
    assert_eq!(ledger.trim_audit(NOW_MS + 180 * DAY_MS).await?, 0);
    let gone = ledger.trim_audit(late_ms + 180 * DAY_MS).await?;
    assert_eq!(gone + 2, rows);
    let report = ledger.verify_audit().await?;
    assert_eq!((report.broken_at, report.rows), (None, 3), "the two that are kept, and the record of the trimming");
    assert_eq!(ledger.trim_audit(late_ms + 180 * DAY_MS).await?, 0);
    assert_eq!(ledger.trim_audit(late_ms + 1000 * DAY_MS).await?, 3);
    ledger.audit(event(&case, late_ms)).await?;
    let report = ledger.verify_audit().await?;
    assert_eq!((report.broken_at, report.rows), (None, 2));
    Ok(())
}

fn row(case: &Case<'_>, model: &str, at: i64) -> UsageRow {
    UsageRow {
        id: new_id("use_"),
        tenant: case.tenant.to_string(),
        project: "p".to_owned(),
        key: "k".to_owned(),
        model: model.to_owned(),
        kind: "chat".to_owned(),
        prompt_tokens: 3_000_000_000,
        completion_tokens: 1,
        status: 200,
        latency_ms: 12,
        at,
        cost_nanos: 7,
        currency: if model == "a" { "USD" } else { "" }.to_owned(),
        ttft_ms: Some(3),
        cached: false,
        cached_tokens: 2,
        upstream: "gpu".to_owned(),
    }
}

async fn usage_is_booked_once_and_summed(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let day = NOW - NOW.rem_euclid(86_400);
    let rows = vec![row(&case, "a", day), row(&case, "b", day + 86_399), row(&case, "b", day + 86_400)];
    ledger.record_usage(rows.clone()).await?;
    ledger.record_usage(rows).await?;
    ledger.record_usage(Vec::new()).await?;
    let end = day + 2 * 86_400;
    let any = UsageFilter::default();
    let only_b = UsageFilter { model: Some("b".to_owned()), ..UsageFilter::default() };
    let models = ledger.usage(&case.tenant, (day, end), UsageBy::Model, &any).await?;
    let sums: Vec<_> = models.iter().map(|sum| (sum.name.as_str(), sum.requests, sum.prompt_tokens)).collect();
    assert_eq!(sums, [("a", 1, 3_000_000_000), ("b", 2, 6_000_000_000)]);
    let days = ledger.usage(&case.tenant, (day, end), UsageBy::Day, &only_b).await?;
    let sums: Vec<_> = days.iter().map(|sum| (sum.name.clone(), sum.requests)).collect();
    assert_eq!(sums, [((day / 86_400).to_string(), 1), ((day / 86_400 + 1).to_string(), 1)]);
    assert_eq!(ledger.usage(&case.tenant, (day, day + 86_400), UsageBy::Key, &any).await?.len(), 2);
    let all = ledger.usage_of_all((day, end), UsageBy::Tenant, &any).await?;
    assert!(all.iter().any(|sum| sum.name == case.tenant.as_str() && sum.requests == 2 && sum.cost_nanos == 14));
    let other = Case::new(ledger).await?;
    assert_eq!(ledger.usage(&other.tenant, (day, end), UsageBy::Project, &any).await?, []);
    Ok(())
}

/// Records are written in batches and tried again: one that can never be written would hold up all behind it.
async fn names_that_a_client_made_up_are_recorded(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let wild = "m\0\u{1}\u{fffe}\u{10ffff}";
    let event = AuditEvent { target: wild.to_owned(), ..event(&case, NOW_MS) };
    ledger.record_calls(&[row(&case, wild, NOW)], &[event]).await?;
    let sums = ledger.usage(&case.tenant, (NOW, NOW + 1), UsageBy::Model, &UsageFilter::default()).await?;
    assert_eq!(sums.iter().map(|sum| sum.name.as_str()).collect::<Vec<_>>(), ["m\u{fffd}\u{1}\u{fffe}\u{10ffff}"]);
    assert_eq!(ledger.verify_audit().await?.broken_at, None);
    let new = NewAssistant {
        name: wild.to_owned(),
        model: String::new(),
        instructions: String::new(),
        store_ids: Vec::new(),
        settings: json!({"text": wild}),
    };
    match ledger.create_assistant(&case.tenant, new, NOW).await {
        Ok(saved) => assert_eq!(saved.settings, json!({"text": wild})),
        refused => assert_invalid(refused, "a name that this database cannot keep"),
    }
    Ok(())
}

async fn budgets_find_what_was_spent(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let model = new_id("m-");
    let used = |at: i64| UsageRow { prompt_tokens: 30, completion_tokens: 12, ..row(&case, &model, at) };
    let cached = UsageRow { cached: true, ..used(NOW) };
    let elsewhere = UsageRow { project: "q".to_owned(), key: "l".to_owned(), ..used(NOW + 1) };
    ledger.record_usage(vec![used(NOW - 1), used(NOW), cached, elsewhere]).await?;
    let tenant = &case.tenant;
    for (of, tokens) in [
        (UsageOf::Tenant(tenant), 84),
        (UsageOf::Model(&model), 84),
        (UsageOf::Project(tenant, "q"), 42),
        (UsageOf::Key(tenant, "k"), 42),
        (UsageOf::Key(tenant, "nobody"), 0),
    ] {
        assert_eq!(ledger.tokens_since(of, NOW).await?, tokens, "{of:?}");
    }
    let other = Case::new(ledger).await?;
    assert_eq!(ledger.tokens_since(UsageOf::Key(&other.tenant, "k"), NOW).await?, 0);
    Ok(())
}

async fn limits_are_set_and_taken_off(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let before = ledger.limits_revision().await?;
    let limit = LimitRow {
        scope: "tenant".to_owned(),
        subject: case.tenant.to_string(),
        rpm: Some(60),
        tpm: None,
        concurrency: Some(4),
        daily_tokens: None,
        monthly_tokens: Some(3_000_000_000),
        parallel: None,
        priority: Some("low".to_owned()),
        updated_at: NOW,
    };
    ledger.put_limit(limit.clone()).await?;
    assert!(ledger.limits().await?.contains(&limit));
    let other = LimitRow { rpm: None, updated_at: NOW + 1, ..limit.clone() };
    ledger.put_limit(other.clone()).await?;
    assert!(ledger.limits().await?.contains(&other), "what is left out is taken off");
    for scope in ["key", "project", "tenant"] {
        let nobody = LimitRow { scope: scope.to_owned(), subject: "nobody".to_owned(), ..limit.clone() };
        assert_not_found(ledger.put_limit(nobody).await, scope);
    }
    ledger.put_limit(LimitRow { scope: "model".to_owned(), subject: "later".to_owned(), ..limit.clone() }).await?;
    ledger.delete_limit("model", "later").await?;
    ledger.delete_limit(&limit.scope, &limit.subject).await?;
    assert_not_found(ledger.delete_limit(&limit.scope, &limit.subject).await, "taken off before");
    assert!(!ledger.limits().await?.iter().any(|row| row.subject == limit.subject));
    assert_eq!(ledger.limits_revision().await?, before + 5);
    Ok(())
}

async fn settings_are_kept(ledger: &Ledger) -> Result<(), LedgerError> {
    let name = new_id("setting-");
    assert_eq!(ledger.get_setting(&name).await?, None);
    assert_eq!(ledger.setting_or_put(&name, "first", NOW).await?, "first");
    assert_eq!(ledger.setting_or_put(&name, "second", NOW).await?, "first");
    ledger.put_setting(&name, "third", NOW).await?;
    assert_eq!(ledger.get_setting(&name).await?.as_deref(), Some("third"));
    ledger.ping().await
}

async fn assistants_and_responses_are_kept(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let store = case.store().await?;
    let new = NewAssistant {
        name: "hr".to_owned(),
        model: "smollm2".to_owned(),
        instructions: "只回答人事问题".to_owned(),
        store_ids: vec![store.id.clone()],
        settings: json!({"temperature": 0.1}),
    };
    let saved = ledger.create_assistant(&case.tenant, new.clone(), NOW).await?;
    assert_eq!(saved.stores().first(), Some(&store.id));
    assert_conflict(ledger.create_assistant(&case.tenant, new.clone(), NOW).await, "a name twice");
    let second = NewAssistant { name: "legal".to_owned(), ..new.clone() };
    let second = ledger.create_assistant(&case.tenant, second, NOW).await?;
    assert_conflict(ledger.update_assistant(&case.tenant, &second.id, new.clone(), NOW).await, "a name twice");
    let renamed = NewAssistant { name: "people".to_owned(), ..new };
    let renamed = ledger.update_assistant(&case.tenant, &saved.id, renamed, NOW + 1).await?;
    assert_eq!(ledger.assistant_named(&case.tenant, "people").await?, renamed);
    assert_eq!(ledger.assistants(&case.tenant, &Page::default()).await?.data.len(), 2);
    an_assistant_outlives_its_store(ledger, &case, &renamed).await?;
    let body = json!({"id": "resp_1", "output": [{"text": "好"}]});
    let new = NewResponse { id: new_id("resp_"), project: "p".to_owned(), body: body.clone(), input: json!([1]) };
    let kept = ledger.save_response(&case.tenant, new.clone(), NOW).await?;
    assert_conflict(ledger.save_response(&case.tenant, new, NOW).await, "a response twice");
    assert_eq!(ledger.response(&case.tenant, &kept.id).await?.body, body);
    old_responses_go(ledger, &case, &kept.id).await
}

async fn an_assistant_outlives_its_store(
    ledger: &Ledger,
    case: &Case<'_>,
    assistant: &AssistantRow,
) -> Result<(), LedgerError> {
    let store_ids = assistant.stores();
    for store in &store_ids {
        assert!(ledger.delete_store(&case.tenant, store, NOW).await?);
    }
    let change = |store_ids| NewAssistant {
        name: "retired".to_owned(),
        model: "smollm2".to_owned(),
        instructions: String::new(),
        store_ids,
        settings: json!({}),
    };
    let renamed = ledger.update_assistant(&case.tenant, &assistant.id, change(store_ids.clone()), NOW + 2).await?;
    assert_eq!((renamed.name.as_str(), renamed.stores()), ("retired", store_ids));
    let other = ledger.update_assistant(&case.tenant, &assistant.id, change(vec![new_id("vs_")]), NOW + 2).await;
    assert_not_found(other, "a store that is not there");
    Ok(())
}

async fn old_responses_go(ledger: &Ledger, case: &Case<'_>, old: &str) -> Result<(), LedgerError> {
    let new = NewResponse { id: new_id("resp_"), project: "p".to_owned(), body: json!({}), input: json!([]) };
    let young = ledger.save_response(&case.tenant, new, NOW + 1).await?;
    while ledger.trim_responses(NOW + 1).await? > 0 {}
    assert_not_found(ledger.response(&case.tenant, old).await, "an old response");
    assert_eq!(ledger.response(&case.tenant, &young.id).await?, young);
    Ok(())
}
