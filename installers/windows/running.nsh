; Whether the app runs, and asking it to close. No plug-in beyond NSIS's own, and only programs of one folder count: a
; portable copy elsewhere may stay open.

; $R1 becomes 1 when ${file} is a running program: Windows then refuses to open it for writing with this very error.
!macro ProbeProgram file
  System::Call 'kernel32::CreateFileW(w "${file}", i 0x40000000, i 7, p 0, i 3, i 0x80, p 0) p.R2 ?e'
  Pop $R3
  ${If} $R2 P<> -1
    System::Call 'kernel32::CloseHandle(p R2)'
  ${ElseIf} $R3 = 32 ; ERROR_SHARING_VIOLATION
    StrCpy $R1 1
  ${EndIf}
!macroend

!macro RunningFunctions un

; In: $R0, a folder. Out: $R1, 1 when a program of it is running.
Function ${un}IsRunning
  StrCpy $R1 0
  !insertmacro ProbeProgram "$R0\${WINDOW_EXE}"
  !insertmacro ProbeProgram "$R0\${CONSOLE_EXE}"
FunctionEnd

; In: $R0, a folder. Ask the visible windows of its windowed program to close, as a click on their cross does.
Function ${un}CloseWindows
  StrCpy $R2 0
  ${Do}
    FindWindow $R2 "" "" 0 $R2
    ${If} $R2 P= 0
      ${ExitDo}
    ${EndIf}
    System::Call 'user32::IsWindowVisible(p R2) i.R3'
    ${If} $R3 <> 0
      System::Call 'user32::GetWindowThreadProcessId(p R2, *i .R4)'
      System::Call 'kernel32::OpenProcess(i 0x1000, i 0, i R4) p.R5' ; PROCESS_QUERY_LIMITED_INFORMATION
      StrCpy $R6 ""
      ${If} $R5 P<> 0
        System::Call 'kernel32::QueryFullProcessImageNameW(p R5, i 0, w .R6, *i ${NSIS_MAX_STRLEN})'
        System::Call 'kernel32::CloseHandle(p R5)'
      ${EndIf}
      ${If} $R6 == "$R0\${WINDOW_EXE}"
        System::Call 'user32::PostMessageW(p R2, i 0x0010, p 0, p 0)' ; WM_CLOSE
      ${EndIf}
    ${EndIf}
  ${Loop}
FunctionEnd

; In: $R0, a folder. Returns only once no program of it runs; otherwise ends the set-up with 1 (the user's wish) or 4.
Function ${un}NeedClosed
  Call ${un}IsRunning
  ${If} $R1 = 0
    Return
  ${EndIf}
  MessageBox MB_OKCANCEL|MB_ICONINFORMATION "$(RUNNING)" /SD IDOK IDOK close
  SetErrorLevel 1
  Quit
close:
  Call ${un}CloseWindows
  ; An answer is stopped and saved first: the app itself takes 3 s at most.
  StrCpy $R7 0
  ${Do}
    Sleep 250
    Call ${un}IsRunning
    ${If} $R1 = 0
      Return
    ${EndIf}
    IntOp $R7 $R7 + 1
  ${LoopUntil} $R7 >= 40
  MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$(STILL_RUNNING)" /SD IDCANCEL IDRETRY close
  SetErrorLevel 4
  Quit
FunctionEnd

!macroend
