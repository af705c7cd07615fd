package sim

import (
	"slices"
	"testing"
)

// In trials of few rounds, too, every arm stands first about as often: the
// order that the first round follows is drawn as well.
func TestShortTrialsAreFair(t *testing.T) {
	const arms, trials, rounds = 3, 2000, 2
	var first [arms]int
	for trial := range uint64(trials) {
		order := newBlockOrder(arms, trialSeed(trial, 1))
		for range rounds {
			first[order.next()[0]]++
		}
	}
	for arm, n := range first {
		// Five standard deviations around a third of 4000.
		if n < 1333-150 || n > 1333+150 {
			t.Errorf("arm %d stood first in %d of %d rounds, want about a third", arm, n, trials*rounds)
		}
	}
}

func TestBlockOrderIsFair(t *testing.T) {
	const arms, rounds = 6, 6000
	order, again := newBlockOrder(arms, 5), newBlockOrder(arms, 5)
	var at [arms][arms]int // arm, position
	last := -1
	for range rounds {
		round := slices.Clone(order.next())
		if !slices.Equal(round, again.next()) {
			t.Fatal("one seed gave two orders")
		}
		if round[0] == last {
			t.Fatal("an arm has two blocks in a row")
		}
		last = round[arms-1]
		for position, arm := range round {
			at[arm][position]++
		}
	}
	for arm := range arms {
		for position, n := range at[arm] {
			// Five standard deviations of a binomial around a sixth.
			if n < 1000-145 || n > 1000+145 {
				t.Errorf("arm %d stood at %d in %d of %d rounds, want about a sixth", arm, position, n, rounds)
			}
		}
	}
	one := newBlockOrder(1, 1)
	for range 2 {
		if got := one.next(); !slices.Equal(got, []int{0}) {
			t.Errorf("the order of a single arm is %v", got)
		}
	}
}
