// Adds to pages that are whole without it: live updates, a cursor on the chart, a copy button, and two keys.
(function () {
  "use strict";
  var live = document.getElementById("live-state");

  function opened() {
    return Array.from(document.querySelectorAll("#live details[open][id]"), function (one) { return one.id; });
  }

  // What somebody is about to send is not taken from under their hands; what follows renews the page.
  function typing() {
    return Array.from(document.querySelectorAll("#live form.act input:not([type=hidden])")).some(function (one) {
      return one === document.activeElement || one.value !== one.defaultValue;
    });
  }

  function renew() {
    if (document.hidden || typing()) return;
    var open = opened();
    htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerHTML" }).then(function () {
      open.forEach(function (id) { var one = document.getElementById(id); if (one) one.open = true; });
      enrich();
    });
  }

  function listen() {
    if (!window.EventSource || !document.querySelector("#live[data-live]")) return;
    var source = new EventSource("/events");
    source.addEventListener("open", function () { live.textContent = "live"; live.classList.add("on"); });
    source.addEventListener("error", function () { live.textContent = "not connected"; live.classList.remove("on"); });
    source.addEventListener("look", renew);
  }

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function chart(box) {
    var points = JSON.parse(box.dataset.points), limit = JSON.parse(box.dataset.limit), ratio = box.dataset.ratio === "True";
    var words = function (value) { return value == null ? "no data" : ratio ? (value * 100).toPrecision(3) + " %" : value.toPrecision(4); };
    var readout = box.parentNode.querySelector(".readout");
    var plot = new uPlot({
      width: box.clientWidth, height: 260, tzDate: function (at) { return uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"); },
      legend: { show: false }, cursor: { y: false },
      hooks: { setCursor: [function (u) {
        var at = u.cursor.idx;
        readout.textContent = at == null ? "" : new Date(points[at][0] * 1e3).toISOString().slice(11, 19) + "  " + words(points[at][1]);
      }] },
      axes: [{ stroke: colour("--soft"), grid: { stroke: colour("--line") } },
             { stroke: colour("--soft"), grid: { stroke: colour("--line") }, size: 64, values: function (u, all) { return all.map(words); } }],
      series: [{}, { stroke: colour("--accent"), width: 2, spanGaps: false },
               { stroke: colour("--bad"), width: 1.5, dash: [6, 4], points: { show: false } }]
    }, [points.map(function (p) { return p[0]; }), points.map(function (p) { return p[1]; }),
        points.map(function () { return limit; })], box);
    return plot;
  }

  function enrich() {
    document.querySelectorAll("[data-copy]").forEach(function (button) {
      button.hidden = false;
      button.onclick = function () {
        navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        button.textContent = "Copied";
      };
    });
    document.querySelectorAll("[data-zoom]").forEach(function (details) {
      details.hidden = false;
      details.addEventListener("toggle", function () {
        var box = details.querySelector("[data-points]");
        if (details.open && !box.firstChild) chart(box);
      });
    });
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/") {
      var find = document.querySelector("input[name=q]");
      if (find) { event.preventDefault(); find.focus(); }
    }
  });

  enrich();
  listen();
})();
