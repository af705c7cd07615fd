// Package report turns a result document into something to read or to feed
// to another program. A report needs the document and nothing else: no
// scenario, no clock, no terminal.
//
//  1. Formats names the registered formats; each lives in a file of its own.
//  2. Render looks the format up, renders into memory and writes once, so
//     that a failure never leaves half a report behind.
//
// The table format is for a terminal. Findings come first. It answers, in this order: what a
// handshake costs, what pool and cache save, who else can pull, and whether
// the numbers may be trusted. A section without arms or rows is left out,
// except the last. Every number has its unit beside it or in its column's
// title; what failed, was not run or is not resolved is said in words where
// the number would stand. Text from the document is stripped of control
// characters, because result files travel.
package report
