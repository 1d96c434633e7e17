//! The local chat model on its real weights, and on tiny files made here.
#![cfg(test)]

mod answers;
mod files;
mod limits;
mod model;
mod numbers;
mod sharing;
