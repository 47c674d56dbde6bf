package assemble
import ("testing";"fmt";"context";"github.com/ptrd/ptrd/internal/config";"github.com/ptrd/ptrd/zone")
func TestZZD1(t *testing.T){
 c,err:=config.Load("../../config.example.yaml"); if err!=nil {t.Fatal(err)}
 p,err:=New(Options{}).Assemble(context.Background(),c,zone.NewSet())
 fmt.Println(err)
 for _,f:=range p.Findings { fmt.Printf("%v\n",f) }
}
