package importer_test
import ("testing";"os";"strings";"time"
"github.com/zeroten/zeroten/internal/importer"
"github.com/zeroten/zeroten/internal/id"
"github.com/zeroten/zeroten/internal/storetest")
func hwm() string {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") { if strings.HasPrefix(l, "VmHWM") { return l } }
	return ""
}
func TestZZ(t *testing.T) {
	h := open(t, storetest.Open(t, storetest.SQLite(t)))
	p, err := importer.Prepare(h.ctx, importer.Options{Path: "/tmp/importer-mid.csv", Campaign: id.Campaign.Format(h.campaign.ID), Traits: []string{"plan","tenure"}})
	if err != nil { t.Fatal(err) }
	start := time.Now(); n := 0
	res, err := p.Run(h.ctx, h.log, func(int64) { if n++; n%100==0 { t.Log(n, hwm(), time.Since(start)) } })
	t.Log(res, err, hwm())
}
