package main

import "slices"

// within returns the ratios of the rounds that both have.
func within(ours, peer map[int]float64) []float64 {
	var ratios []float64
	for round, rate := range ours {
		if other, both := peer[round]; both {
			ratios = append(ratios, rate/other)
		}
	}
	slices.Sort(ratios)
	return ratios
}

func values(m map[int]float64) []float64 {
	var all []float64
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// median of at least one value.
func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
