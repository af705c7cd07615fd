package origin

import "testing"

// TestFixes: a fix is of a server, and of a mistake that its driver writes.
func TestFixes(t *testing.T) {
	for server, of := range fixes {
		driver, known := DriverNamed(server)
		if !known {
			t.Errorf("no driver is named %s", server)
		}
		for name, text := range of {
			if mistake, ok := MistakeNamed(name); !ok || driver.Fix(mistake) != text || text == "" {
				t.Errorf("%s: the fix of %q is of no mistake that it writes", server, name)
			}
		}
	}
	nginx, _ := DriverNamed("nginx")
	weak, _ := MistakeNamed("weak-secret")
	index, _ := MistakeNamed("any-index")
	if nginx.Fix(weak) != weak.Fix || nginx.Fix(index) != "" {
		t.Errorf("%q, %q", nginx.Fix(weak), nginx.Fix(index))
	}
}
