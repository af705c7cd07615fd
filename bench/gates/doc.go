// Command gates takes the evidence for originpull's gate on this machine, and
// writes docs/gate.md. It is for development; originpull does not need it.
//
//  1. It runs gates of a build against itself, with nothing changed and with 5 %
//     of CPU planted, in turn; and, where Valgrind is installed, counts of
//     instructions, with nothing changed and with 1 % planted.
//  2. Each outcome is a line in a file, appended when its gate has ended. An
//     interrupted run is continued by starting it again.
//  3. The page is written from that file, and from the tables that the simulation
//     and the replay have left in a folder. It says how many gates were run.
//
// Invariant: no outcome is dropped. A gate that failed to measure is a line too,
// and counts as neither found nor quiet.
package main
