//! Paging, as OpenAI has it.

use super::{Case, NOW, assert_conflict, assert_invalid};
use crate::{DocumentStatus, FileRow, Ledger, LedgerError, NewFile, Order, Page, PageOf, new_id};

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    pages_follow_each_other(ledger).await?;
    a_cursor_outlives_its_row(ledger).await?;
    what_cannot_be_is_refused(ledger).await?;
    documents_are_listed_by_status(ledger).await
}

async fn files(case: &Case<'_>, count: usize) -> Result<Vec<String>, LedgerError> {
    let mut ids = Vec::new();
    for second in 0..count {
        let new = NewFile {
            id: new_id("file-"),
            project: "p".to_owned(),
            filename: "f".to_owned(),
            media_type: None,
            bytes: 1,
            sha256: String::new(),
            purpose: if second % 2 == 0 { "assistants" } else { "batch" }.to_owned(),
            expires_at: None,
        };
        ids.push(new.id.clone());
        // Three files to a second, so that the id has to break ties.
        let at = NOW + i64::try_from(second / 3).unwrap_or_default();
        case.ledger.create_file(&case.tenant, new, at).await?;
    }
    Ok(ids)
}

fn ids(page: &PageOf<FileRow>) -> Vec<String> {
    page.data.iter().map(|row| row.id.clone()).collect()
}

async fn pages_follow_each_other(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let made = files(&case, 10).await?;
    for order in [Order::Asc, Order::Desc] {
        let mut expected = made.clone();
        if order == Order::Desc {
            expected.reverse();
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = Page { after, before: None, limit: 4, order };
            let page = ledger.files(&case.tenant, &page, None).await?;
            seen.extend(ids(&page));
            assert_eq!(page.has_more, seen.len() < expected.len());
            assert_eq!(page.last_id.as_ref(), seen.last());
            after = page.last_id;
            if !page.has_more {
                break;
            }
        }
        assert_eq!(seen, expected);
        let page = Page { after: None, before: expected.get(6).cloned(), limit: 4, order };
        let page = ledger.files(&case.tenant, &page, None).await?;
        assert_eq!(Some(ids(&page).as_slice()), expected.get(2..6), "the page right before the cursor");
        assert!(page.has_more);
    }
    let page = ledger.files(&case.tenant, &Page::default(), Some("batch")).await?;
    assert_eq!((page.data.len(), page.has_more), (5, false));
    Ok(())
}

async fn a_cursor_outlives_its_row(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let made = files(&case, 4).await?;
    let second = made.get(1).cloned().unwrap_or_default();
    ledger.delete_file(&case.tenant, &second, NOW).await?;
    let page = Page { after: Some(second), order: Order::Asc, ..Page::default() };
    assert_eq!(Some(ids(&ledger.files(&case.tenant, &page, None).await?).as_slice()), made.get(2..));
    while let Some(job) = ledger.lease_job("suite", NOW * 1000, 1000).await? {
        ledger.complete_removal(&job, NOW).await?;
    }
    ledger.files(&case.tenant, &page, None).await?;
    Ok(())
}

async fn what_cannot_be_is_refused(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    for limit in [0, 10_001] {
        let page = Page { limit, ..Page::default() };
        assert_invalid(ledger.files(&case.tenant, &page, None).await, "a limit");
    }
    let page = Page { after: Some("nonsense".to_owned()), ..Page::default() };
    assert_invalid(ledger.files(&case.tenant, &page, None).await, "a cursor");
    assert_invalid(ledger.audit_rows(&case.tenant, &page).await, "an audit cursor");
    let row = case.file().await?.into_inner();
    let new = NewFile {
        id: row.id,
        project: row.project,
        filename: row.filename,
        media_type: None,
        bytes: 1,
        sha256: row.sha256,
        purpose: row.purpose,
        expires_at: None,
    };
    assert_conflict(ledger.create_file(&case.tenant, new, NOW).await, "an id that is taken");
    Ok(())
}

async fn documents_are_listed_by_status(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, _) = case.indexed().await?;
    let waiting = case.file().await?;
    case.attach(&store.id, &waiting.id).await?;
    let page = ledger.documents(&case.tenant, &store.id, &Page::default(), Some(DocumentStatus::InProgress)).await?;
    assert_eq!(page.first_id.as_ref(), Some(&waiting.id));
    assert_eq!(page.data.len(), 1);
    assert_eq!(ledger.documents(&case.tenant, &store.id, &Page::default(), None).await?.data.len(), 2);
    case.index_next().await?;
    Ok(())
}
