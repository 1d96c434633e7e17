//! Walks through the real `kubemate` binary: over HTTP, over raw sockets, with the official clients, and with kill -9.
//!
//! Every walk either starts a server of its own or takes a tenant of its own on the server that all share.
#![cfg(test)]

mod harness;

mod clients;
mod crash;
mod doors;
mod faults;
mod guard;
mod hostile;
mod kept;
mod lasting;
mod limits;
mod load;
mod milvus;
mod observed;
mod ollama;
mod process;
mod routes;
mod spine;
mod talk;
mod tenants;
mod together;
