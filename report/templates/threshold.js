// The slider over the threshold: shows what labels are worth there, and moves the figure's line.
(() => {
  const box = document.getElementById("performance-slider");
  const marker = document.getElementById("performance-thresholds-marker");
  const axis = document.getElementById("performance-thresholds-axis");
  if (!box) return;
  const range = box.querySelector("input");
  const outputs = box.querySelectorAll("output");
  const rows = box.dataset.rows.split(";").map((row) => row.split("|"));
  const places = box.dataset.places.split(";").map(Number);
  const start = places[Number(range.value)];
  const show = () => {
    const place = Number(range.value);
    const cells = rows[place];
    outputs.forEach((output, i) => (output.textContent = cells[i]));
    range.setAttribute("aria-valuetext", `${cells[0]}: precision ${cells[2]}, recall ${cells[3]}`);
    if (marker && axis) {
      const moved = (places[place] - start) * axis.getBBox().width;
      marker.setAttribute("transform", `translate(${moved} 0)`);
    }
  };
  box.hidden = false;
  range.addEventListener("input", show);
  show();
})();
