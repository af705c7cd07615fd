package sim

import "testing"

func TestExamine(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Examine(t.Context()) {
		if c.Name == "" || c.Detail == "" || names[c.Name] {
			t.Errorf("check %+v says nothing or stands twice", c)
		}
		names[c.Name] = true
		if c.Name == "CPU clocks" && c.OK != (processCPUAvailable() == nil) {
			t.Errorf("check %+v", c)
		}
	}
	if len(names) != 9 || !names["instructions"] || !names["link netstack"] || !names["link tun"] {
		t.Errorf("%d checks, want 9: %v", len(names), names)
	}
}
