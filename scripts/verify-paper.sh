#!/usr/bin/env bash
# Sets a two-column page by pdflatex from what a sweep exports: the table of arms, and three figures
# as PDF and PGF. The page is left as FOLDER/paper.pdf and paper.png. Needs LaTeX with booktabs,
# siunitx and pgf: on Debian texlive-latex-recommended, texlive-science, texlive-pictures; and
# pdftoppm from poppler-utils for the picture.
# Usage: scripts/verify-paper.sh [FOLDER=target/paper] [REPORTS NAME]
set -euo pipefail
cd "$(dirname "$0")/.."

res2lab=target/release/res2lab
out=${1:-target/paper}
reports=${2:-}
name=${3:-paper}
mkdir -p "$out"
if [ -z "$reports" ]; then
  reports=$(mktemp -d)
  trap 'rm -rf "$reports"' EXIT
  "$res2lab" sweep scale=2,4 depth=11,20 seed=0,1,2 epochs=1 --name "$name" --reports "$reports" >/dev/null
fi

figure() { "$res2lab" figure "$name" "$1" --reports "$reports" --output "$out/$2" "${@:3}"; }
figure answer answer.pdf --format pdf --width 6.8in --font serif
figure by-axis-0 by-axis.pgf --format pgf --width 3.25in --font serif
figure cost-parameters cost.pdf --format pdf --width 3.25in --font serif
# The table is wider than a column.
"$res2lab" table "$name" --arms --format latex --reports "$reports" \
  | sed 's/{table}/{table*}/' > "$out/arms.tex"

cat > "$out/paper.tex" <<'TEX'
\documentclass[10pt,twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern}
\usepackage[margin=0.65in]{geometry}
\usepackage{booktabs}
\usepackage{siunitx}
\usepackage{graphicx}
\usepackage{pgf}
\begin{document}
% What is as wide as the page stands on the page after the one where it is said.
\input{arms.tex}
\begin{figure*}
  \centering
  \includegraphics{answer.pdf}
  \caption{The findings with their 95\,\% intervals, from a PDF.}
\end{figure*}
\mbox{}\newpage\mbox{}\newpage
Table~\ref{tab:NAME} and the figures are as a sweep exports them: nothing was changed by hand but
the table's width. The text of the PDFs is in a serif font of the machine, that of the PGF in the
font of this document.
\begin{figure}[h]
  \centering
  \input{by-axis.pgf}
  \caption{Accuracy against an axis, from PGF: the text is set by \LaTeX.}
\end{figure}
\newpage
\begin{figure}[h]
  \centering
  \includegraphics{cost.pdf}
  \caption{Accuracy against parameters, from a PDF.}
\end{figure}
\end{document}
TEX
sed -i "s/tab:NAME/tab:$name/" "$out/paper.tex"
latex() { pdflatex -interaction=nonstopmode -halt-on-error paper.tex >paper.out; }
(cd "$out" && latex && latex) || {
  grep -A5 '^!' "$out/paper.out"
  exit 1
}
if grep -E 'undefined|Overfull \\hbox \(([2-9][0-9]|[0-9]{3})' "$out/paper.log"; then
  echo "FAILED: the page has undefined references or a figure wider than its column"
  exit 1
fi
command -v pdftoppm >/dev/null && pdftoppm -r 110 -f 2 -l 2 -png -singlefile "$out/paper.pdf" "$out/paper"
echo "ok: pdflatex sets a table and three figures: $out/paper.pdf"
