#!/usr/bin/env bash
# Train, open the explorer in a real window on a virtual display, use it, and take a picture:
#
#     tests/show_explorer.sh outputs/latent_explorer.png              # the picture of the page
#     tests/show_explorer.sh small.png 640x400 --latent-dim 32        # a small window
#
# Needs Xvfb, xdotool and ImageMagick. PYTHON names the interpreter, DPI the density of the
# display. Fails unless the window opens, follows the pointer and ends the program with code 0.
set -euo pipefail

picture=$(realpath "${1:?usage: $0 PICTURE.png [WIDTHxHEIGHT] [options of the main script]}")
shift
size=
if [[ ${1:-} =~ ^[0-9]+x[0-9]+$ ]]; then size=$1; shift; fi
folder=$(mktemp -d)
display_pid= program_pid=
clean_up() {
    # only what was started here, by its number
    for pid in $program_pid $display_pid; do kill "$pid" && wait "$pid"; done 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
fail() { echo "$0: $1" >&2; cat "$folder/log" >&2 || true; exit 1; }

Xvfb -displayfd 3 -screen 0 2400x1600x24 -dpi "${DPI:-144}" 3>"$folder/display" 2>/dev/null &
display_pid=$!
for _ in {1..50}; do [[ -s $folder/display ]] && break; sleep 0.1; done
export DISPLAY=":$(<"$folder/display")"

mkdir "$folder/outputs"
"${PYTHON:-python}" "$(dirname "$0")/../latent_space_exploration.py" --interactive \
    --output-dir "$folder/outputs" "$@" >"$folder/log" 2>&1 &
program_pid=$!
window=
for _ in {1..600}; do
    window=$(xdotool search --onlyvisible --name "Walk the latent space" 2>/dev/null) && break
    kill -0 "$program_pid" 2>/dev/null || fail "the program ended without a window"
    sleep 0.2
done
[[ $window ]] || fail "no window after two minutes"
xdotool windowfocus "$window"
if [[ $size ]]; then xdotool windowsize "$window" ${size/x/ }; fi
sleep 2

# Drag from the mean of the horizontals towards the mean of the crosses, with a picture before
# and after it: they must differ.
eval "$(xdotool getwindowgeometry --shell "$window")"      # X, Y, WIDTH, HEIGHT
point() { xdotool mousemove $((X + WIDTH * $1 / 1000)) $((Y + HEIGHT * $2 / 1000)); }
xdotool key 2
sleep 1
import -window "$window" "$folder/before.png"
point 200 430; xdotool mousedown 1
for step in {1..20}; do point $((200 + 3 * step / 2)) $((430 + 5 * step / 2)); sleep 0.03; done
xdotool mouseup 1
point 20 20                                                # away from the buttons
sleep 1
import -window "$window" "$folder/after.png"
seen() { convert "$1" -crop "20%x20%+$((WIDTH * 65 / 100))+$((HEIGHT / 10))" -format '%#' info:; }
[[ $(seen "$folder/before.png") != "$(seen "$folder/after.png")" ]] \
    || fail "the picture did not follow the pointer"

xdotool key w; sleep 1; xdotool key q                      # close it in the middle of a walk
code=0; wait "$program_pid" || code=$?
program_pid=
[[ $code == 0 ]] || fail "the program ended with code $code"
convert "$folder/after.png" -strip "$picture"
echo "Wrote $picture ($(identify -format '%wx%h' "$picture"), $(stat -c %s "$picture") bytes)"
