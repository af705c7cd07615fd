// Package sim is the experiment: it turns a scenario into a plan, runs the
// plan with worker processes, and puts what they measured into a result.
//
// The pipeline:
//
//  1. [Compile] resolves a scenarios.Scenario into a [Plan]: experiments,
//     arms with every default written out, a baseline and a double for each
//     experiment that reports CPU, policies, planned seconds. It finds the
//     problems that need the registries.
//  2. [Run] takes the experiments one after the other. For every trial it
//     starts a fresh pair of processes for each arm ([ServeWorker] is their
//     other end), hands them their credentials over standard input, and grants
//     blocks: one arm at a time, in an order drawn anew each round.
//     Where an arm has a distance between its ends, both are one process with
//     the link in it, which is calibrated first; several such arms are measured
//     at once, and nothing of step 3 is done: no CPU is read, so that there is
//     neither baseline nor double.
//     Where an arm has several origins, each is a process told of itself alone;
//     the edge has a certificate and a secret for each, no two of one authority.
//  3. CPU is read from the workers' CPU clocks at the start of each block, so
//     that everything an arm does until its next block is its own cost.
//     Once a trial, between two rounds, each edge measures the primitives of
//     its handshakes: the floor that efficiency is held against. A server
//     with another library than Go's is held against that library's, which
//     `openssl speed` of the same version gives once a run, or against none.
//     Where CPU is planted on an arm, its workers burn it after each block,
//     inside the block's window.
//     Where the arms search for a rate (workload.find), each block has a rate of
//     its own and answers with what it measured; the next rate depends on that.
//  4. Workers record; only summaries cross the pipe, when a trial is drained.
//     Both ends' connections are then reconciled.
//  5. The trials become arms, pairs and validity of a results.Result, and the
//     expectations are evaluated on it, claims judged by it.
//
// For a gate, [Versus] joins the plans of two sides into one, and
// [CountInstructions] counts what an arm executes on either, without a run.
//
// Invariants:
//
//   - Nothing after Compile reads a scenario.
//   - A worker or a real server that dies fails its arm, with its last words;
//     the other arms go on, and no process is left.
//   - An interrupted run keeps what was measured and says that it is not
//     complete.
//   - The n-th request of an arm asks for the same object, of the same origin, in
//     every run of one seed.
//   - Of several origins each reconciles by itself, requests included: one that
//     saw a request which the edge did not send it makes the run not valid.
package sim
