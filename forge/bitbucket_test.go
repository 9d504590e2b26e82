package forge

import "testing"

func TestWhatBitbucketCanShow(t *testing.T) {
	marker, body := plainMarkdown("<!-- deployer/shop -->", `<!-- deployer/shop -->
### deployer: shop

| <code>web&#58;1</code> | <code>a&#96;b &#124; &lt;script&gt;</code> |

<details><summary>Ports (2)</summary>

- <code>8080&#58;80</code> opened

</details>
`)
	const want = "\n### deployer: shop\n\n| `web:1` | `a'b ¦ <script>` |\n\n**Ports (2)**\n\n- `8080:80` opened"
	if marker != "[//]: # (deployer/shop)" || body != want {
		t.Errorf("%q, want %q; marker %q", body, want, marker)
	}
}
